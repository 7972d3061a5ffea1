"""Transparent levels and palettes of PNG, and transparency masks of TIFF."""

import struct
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from esrgan_core.io.reading import read_image
from esrgan_core.io.rgb import read_rgb
from tests.support.images import raw_png

GRAY, RGB, PALETTE = 0, 2, 3
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_exactly_the_transparent_level_of_gray_gets_alpha_0(bits: int) -> None:
    samples = RANDOM.integers(0, 2**bits, (9, 11, 1))
    level = int(samples[4, 4, 0])
    source = raw_png(samples, bits, GRAY, {b"tRNS": struct.pack(">H", level)})
    image = read_image(source)
    white = 255 if bits <= 8 else 65535
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.where(samples[..., 0] == level, 0, white))
    assert np.array_equal(image.pixels, samples * (white // (2**bits - 1)))
    assert "the transparent color became alpha" in image.changes


@pytest.mark.parametrize("bits", [8, 16])
def test_exactly_the_transparent_color_gets_alpha_0(bits: int) -> None:
    samples = RANDOM.integers(0, 2**bits, (9, 11, 3))
    samples[0, 1] = samples[4, 4]
    # equal in two channels, and in the upper half of 16 bits
    samples[0, 0] = samples[4, 4] ^ [0, 0, 1]
    source = raw_png(samples, bits, RGB, {b"tRNS": struct.pack(">HHH", *samples[4, 4])})
    image = read_image(source)
    assert image.alpha is not None
    is_clear = (samples == samples[4, 4]).all(axis=2)
    assert np.array_equal(image.alpha == 0, is_clear)
    assert set(np.unique(image.alpha)) == {0, 2**bits - 1}
    assert np.array_equal(image.pixels, samples)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_may_list_the_alpha_of_its_first_colors_only(bits: int) -> None:
    samples = RANDOM.integers(0, 2**bits, (9, 11, 1))
    palette = RANDOM.integers(0, 256, (2**bits, 3))
    alpha = np.full(2**bits, 255)
    alpha[: 2 ** (bits - 1)] = RANDOM.integers(0, 255, 2 ** (bits - 1))
    listed = alpha[: 2 ** (bits - 1)].astype(np.uint8).tobytes()
    chunks = {b"PLTE": palette.astype(np.uint8).tobytes(), b"tRNS": listed}
    image = read_image(raw_png(samples, bits, PALETTE, chunks))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, alpha[samples[..., 0]])
    assert np.array_equal(image.pixels, palette[samples[..., 0]])


def test_training_does_not_drop_a_transparent_color() -> None:
    samples = RANDOM.integers(0, 256, (9, 11, 3))
    source = raw_png(samples, 8, RGB, {b"tRNS": struct.pack(">HHH", *samples[4, 4])})
    with pytest.raises(ValueError, match="mode RGBA; convert it to 8-bit RGB"):
        read_rgb(source)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_transparency_mask_of_a_tiff_becomes_alpha(kind: type) -> None:
    opaque = RANDOM.integers(0, 2, (9, 11)).astype(bool)
    white = 1 if kind == np.float32 else np.iinfo(kind).max
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.full((9, 11, 3), white, kind), photometric="rgb", metadata=None)
        file.write(opaque, photometric="mask", subfiletype=4, metadata=None)
    image = read_image(BytesIO(buffer.getvalue()))
    assert image.alpha is not None
    assert image.alpha.dtype == kind
    assert np.array_equal(image.alpha, opaque * np.asarray(white, kind))
    assert image.changes == ("the transparency mask became alpha",)


def test_a_transparency_mask_applies_to_palettes_too() -> None:
    opaque = RANDOM.integers(0, 2, (9, 11)).astype(bool)
    values = RANDOM.integers(0, 256, (9, 11), dtype=np.uint8)
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        colors = RANDOM.integers(0, 256, (3, 256)).astype(np.uint16) * 257
        file.write(values, photometric="palette", colormap=colors, metadata=None)
        file.write(opaque, photometric="mask", subfiletype=4, metadata=None)
    image = read_image(BytesIO(buffer.getvalue()))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, opaque * np.uint8(255))
    assert np.array_equal(image.pixels, (colors // 257).astype(np.uint8).T[values])


def test_a_transparent_color_of_gif_becomes_alpha() -> None:
    buffer = BytesIO()
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(values).save(buffer, format="GIF", transparency=5)
    image = read_image(BytesIO(buffer.getvalue()))
    assert image.alpha is not None
    assert np.array_equal(image.alpha == 0, values == 5)
