"""TIFFs of every depth, layout and kind of extra channel."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from imagecodecs import jpeg8_encode

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.inspection import inspect_image
from esrgan_core.io.reading import image_size, read_image
from tests.support.images import raw_tiff, tiff

MINISWHITE, MINISBLACK, RGB, CMYK = 0, 1, 2, 5
EXTRA = 338
UNKNOWN, PREMULTIPLIED, STRAIGHT = 0, 1, 2
RANDOM = np.random.default_rng(0)


def scaled(samples: np.ndarray, bits: int) -> np.ndarray:
    """The definition: the largest sample becomes the largest of 8 or 16 bits, half up."""
    white = 255 if bits <= 8 else 65535
    table = [int(Fraction(value * white, 2**bits - 1) + Fraction(1, 2)) for value in range(2**bits)]
    return np.array(table, dtype=np.uint8 if bits <= 8 else np.uint16)[samples]


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("photometric", "channels", "planar", "deflate"),
    [
        (MINISBLACK, 1, False, False),
        (MINISWHITE, 1, False, True),
        (RGB, 3, False, True),
        (RGB, 3, True, False),
        (CMYK, 4, False, False),
        (CMYK, 4, True, True),
    ],
)
def test_every_depth_uses_the_whole_range(
    bits: int, order: str, photometric: int, channels: int, planar: bool, deflate: bool
) -> None:
    samples = RANDOM.integers(0, 2**bits, (5, 7, channels))
    source = raw_tiff(samples, bits, photometric, planar=planar, deflate=deflate, order=order)
    image = read_image(source)
    expected = 2**bits - 1 - samples if photometric == MINISWHITE else samples
    assert np.array_equal(image.pixels, scaled(expected, bits))
    assert image.alpha is None
    became = (f"{bits} bits became {8 if bits < 8 else 16}",)
    assert image.changes == (() if bits in (8, 16) else became)
    assert image_size(source) == (5, 7)


def test_the_middle_of_12_bits_is_the_middle_of_16() -> None:
    image = read_image(raw_tiff(np.full((2, 2, 1), 2048), 12, MINISBLACK))
    assert (image.pixels == 32776).all()


def test_12_bits_are_scaled_in_jpeg_as_well() -> None:
    samples = np.full((16, 16), 2048, np.uint16)
    jpeg = jpeg8_encode(samples, level=100, bitspersample=12)
    image = read_image(tiff_of_segment(bytes(jpeg), bits=12, compression=7))
    assert abs(int(image.pixels[8, 8, 0]) - 32776) <= 32


def tiff_of_segment(segment: bytes, *, bits: int, compression: int) -> BytesIO:
    """A gray TIFF of 16 x 16 pixels in one compressed strip."""
    data = bytearray(raw_tiff(np.zeros((16, 16, 1), np.int64), bits, MINISBLACK).getvalue())
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        tags = file.pages.first.tags
        places = {code: tags[code].valueoffset for code in (259, 273, 279)}
    for code, value in ((259, compression), (273, len(data)), (279, len(segment))):
        data[places[code] : places[code] + 4] = value.to_bytes(4, "little")
    return BytesIO(bytes(data) + segment)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u4", "u8", "c8"])
def test_other_samples_are_refused_by_name(kind: str) -> None:
    with pytest.raises(BadImageError, match=f"as {np.dtype(kind)}; convert them to 8 or 16 bits"):
        read_image(tiff(np.zeros((4, 5), kind)))


def test_bits_that_differ_by_channel_are_refused_by_name() -> None:
    source = raw_tiff(np.zeros((4, 4, 3), np.int64), 8, RGB, tags={258: [5, 6, 5]})
    with pytest.raises(BadImageError, match=r"samples of \(5, 6, 5\) bits"):
        read_image(source)


def test_inks_other_than_cmyk_are_refused_by_name() -> None:
    source = raw_tiff(np.zeros((4, 4, 4), np.int64), 8, CMYK, tags={332: [2]})
    with pytest.raises(BadImageError, match="inks other than CMYK"):
        read_image(source)


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
@pytest.mark.parametrize(("photometric", "colors"), [(MINISBLACK, 1), (RGB, 3), (CMYK, 4)])
class TestExtraChannels:
    """One rule for all depths."""

    def test_premultiplied_colors_are_divided_by_alpha(
        self, bits: int, photometric: int, colors: int
    ) -> None:
        top = 2**bits - 1
        samples = np.zeros((3, 3, colors + 1), np.int64)
        samples[0] = top // 2  # color and alpha are equal
        samples[1, :, :colors], samples[1, :, colors] = top // 4, top
        image = read_image(raw_tiff(samples, bits, photometric, tags={EXTRA: [PREMULTIPLIED]}))
        white = 255 if bits <= 8 else 65535
        assert (image.pixels[0] == white).all()
        assert np.array_equal(image.pixels[1], scaled(samples[1, :, :colors], bits))
        assert (image.pixels[2] == 0).all()
        assert image.alpha is not None
        assert np.array_equal(image.alpha, scaled(samples[..., colors], bits))

    @pytest.mark.parametrize("extra", [[UNKNOWN], [UNKNOWN, UNKNOWN]])
    def test_channels_without_meaning_are_left_out(
        self, bits: int, photometric: int, colors: int, extra: list[int]
    ) -> None:
        samples = RANDOM.integers(0, 2**bits, (3, 3, colors + len(extra)))
        image = read_image(raw_tiff(samples, bits, photometric, tags={EXTRA: extra}))
        assert image.alpha is None
        assert np.array_equal(image.pixels, scaled(samples[..., :colors], bits))
        assert "of no stated meaning left out" in image.changes[-1]

    @pytest.mark.parametrize("extra", [[UNKNOWN, STRAIGHT], [STRAIGHT, UNKNOWN], [STRAIGHT], []])
    def test_alpha_is_kept_among_others_and_without_the_tag(
        self, bits: int, photometric: int, colors: int, extra: list[int]
    ) -> None:
        samples = RANDOM.integers(0, 2**bits, (3, 3, colors + max(len(extra), 1)))
        source = raw_tiff(samples, bits, photometric, tags={EXTRA: extra} if extra else None)
        image = read_image(source)
        alpha = samples[..., colors + (extra.index(STRAIGHT) if extra else 0)]
        assert image.alpha is not None
        assert np.array_equal(image.alpha, scaled(alpha, bits))
        assert np.array_equal(image.pixels, scaled(samples[..., :colors], bits))


def test_premultiplied_floats_are_divided_by_alpha() -> None:
    values = np.array([[[0.25, 0.5], [0.0, 0.0], [0.75, 1.0]]], np.float32)
    image = read_image(tiff(values, photometric="minisblack", extrasamples=["assocalpha"]))
    assert np.array_equal(image.pixels[..., 0], [[0.5, 0, 0.75]])


@pytest.mark.parametrize("cut", [1, 40])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "adobe_deflate", "packbits"])
def test_truncated_files_are_named_as_damaged(cut: int, kind: Any, compression: str | None) -> None:
    values = RANDOM.integers(0, 255, (40, 40, 3)).astype(kind)
    data = tiff(values, photometric="rgb", compression=compression).getvalue()
    with pytest.raises(BadImageError, match="damaged"):
        read_image(BytesIO(data[:-cut]))


def test_missing_parts_are_named_as_damaged() -> None:
    values = RANDOM.integers(0, 65535, (16, 16, 3)).astype(np.uint16)
    data = bytearray(tiff(values, photometric="rgb", rowsperstrip=16).getvalue())
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        place = file.pages.first.tags[257].valueoffset
    data[place : place + 2] = (32).to_bytes(2, "little")
    with pytest.raises(BadImageError, match="parts of the image are missing"):
        read_image(BytesIO(bytes(data)))


def test_corrupt_lzw_is_named_as_damaged() -> None:
    values = RANDOM.integers(0, 65535, (40, 40, 3)).astype(np.uint16)
    data = tiff(values, photometric="rgb", compression="lzw").getvalue()
    with pytest.raises(BadImageError, match="damaged"):
        read_image(BytesIO(data[:-100]))


def test_the_mode_of_deep_images_has_their_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(raw_tiff(np.zeros((4, 4, 3), np.int64), 12, RGB).getvalue())
    assert inspect_image(path).mode == "RGB;12"


def test_a_palette_of_8_bits_is_no_darker() -> None:
    colors = np.arange(768, dtype=np.uint16).reshape(3, 256) // 3
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    image = read_image(tiff(indices, photometric="palette", colormap=colors))
    assert np.array_equal(image.pixels, colors.T[indices])


def test_other_colors_are_refused_by_name() -> None:
    source = tiff(np.zeros((3, 4, 3), np.uint8), photometric="icclab")
    with pytest.raises(BadImageError, match="3 channels as ICCLAB; convert it to RGB"):
        read_image(source)
