"""More than 8 bits in formats of which Pillow drops some."""

import struct
from io import BytesIO

import numpy as np
import pytest
from imagecodecs import avif_encode, jpeg2k_encode

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.rgb import read_rgb

RANDOM = np.random.default_rng(0)


def samples(bits: int, channels: int) -> np.ndarray:
    values = RANDOM.integers(0, 2**bits, (16, 20, channels))
    kind = np.uint8 if bits == 8 else np.uint16
    return (values[..., 0] if channels == 1 else values).astype(kind)


def check(data: bytes, values: np.ndarray, bits: int) -> None:
    image = read_image(BytesIO(data))
    white = 255 if bits == 8 else 65535
    channels = [image.pixels] if image.alpha is None else [image.pixels, image.alpha[..., None]]
    expected = np.floor(values.astype(float) * white / (2**bits - 1) + 0.5)
    assert np.array_equal(np.concatenate(channels, axis=2).reshape(values.shape), expected)
    assert image.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert image.changes == (() if bits in (8, 16) else (f"{bits} bits became 16",))
    assert image_size(BytesIO(data)) == (16, 20)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_jpeg_2000_keeps_its_depth(bits: int, channels: int) -> None:
    values = samples(bits, channels)
    for format_ in ("jp2", "j2k"):
        data = jpeg2k_encode(values, bitspersample=bits, codecformat=format_, reversible=True)
        check(bytes(data), values, bits)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif_keeps_its_depth(bits: int, channels: int) -> None:
    values = samples(bits, channels)
    check(bytes(avif_encode(values, level=100, bitspersample=bits)), values, bits)


@pytest.mark.parametrize("most", [255, 65535])
def test_gray_of_netpbm_keeps_its_depth(most: int) -> None:
    bits = 8 if most == 255 else 16
    values = samples(bits, 1)
    data = b"P5\n20 16\n%d\n" % most + values.astype(f">u{bits // 8}").tobytes()
    check(data, values, bits)


def test_16_bit_color_of_netpbm_is_refused_by_name() -> None:
    data = b"P6\n20 16\n65535\n" + samples(16, 3).astype(">u2").tobytes()
    with pytest.raises(BadImageError, match="16-bit color in PPM; save it as PNG or TIFF"):
        read_image(BytesIO(data))


def test_16_bit_gray_of_netpbm_is_no_8_bit_gray() -> None:
    data = b"P5\n20 16\n65535\n" + samples(16, 1).astype(">u2").tobytes()
    with pytest.raises(BadImageError, match="mode L;16; convert it to 8-bit"):
        read_rgb(BytesIO(data))


def test_a_bitmap_of_16_bits_a_pixel_is_not_deep() -> None:
    values = RANDOM.integers(0, 65536, (4, 6)).astype("<u2")
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    header = struct.pack("<IiiHHIIiiII", 40, 6, -4, 1, 16, 3, 48, 0, 0, 0, 0) + masks
    start = struct.pack("<2sIHHI", b"BM", 14 + len(header) + 48, 0, 0, 14 + len(header))
    image = read_image(BytesIO(start + header + values.tobytes()))
    red = (values >> 11).astype(int)
    assert image.pixels.dtype == np.uint8
    assert np.abs(image.pixels[..., 0] - red * 255 / 31).max() < 1


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_jpeg_2000_is_refused_by_name(kind: type) -> None:
    data = jpeg2k_encode(np.arange(-32, 32).reshape(8, 8).astype(kind), reversible=True)
    with pytest.raises(BadImageError, match="signed samples; convert them to unsigned ones"):
        read_image(BytesIO(bytes(data)))


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_of_sgi_are_refused_by_name(channels: int) -> None:
    sides = 2 if channels == 1 else 3
    header = struct.pack(">HBBHHHHII", 474, 0, 2, sides, 20, 16, channels, 0, 65535)
    header = header.ljust(512, b"\0")
    with pytest.raises(BadImageError, match="16-bit color in SGI; save it as PNG or TIFF"):
        read_image(BytesIO(header + samples(16, channels).astype(">u2").tobytes()))
