"""Alpha of TGA by its header."""

import struct
from io import BytesIO

import numpy as np
import pytest

from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.reading import read_image

OPAQUE = np.arange(12).reshape(3, 4) % 2 == 0


def tga(depth: int, alpha_bits: int, pixels: np.ndarray) -> DecodedImage:
    """From pixels (rows, columns), of which the first row is the upper one."""
    rows, columns = pixels.shape[:2]
    header = (
        bytes((0, 0, 2)) + bytes(9) + struct.pack("<HHBB", columns, rows, depth, 32 + alpha_bits)
    )
    return read_image(BytesIO(header + pixels.tobytes()))


def test_the_bit_of_16_bits_means_opaque() -> None:
    image = tga(16, 1, (0x7C1F | OPAQUE.astype("<u2") << 15))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, OPAQUE * 255)
    assert image.pixels[0, 0].tolist() == [255, 0, 255]


def test_16_bits_without_alpha_are_opaque() -> None:
    image = tga(16, 0, (0x7C1F | OPAQUE.astype("<u2") << 15))
    assert image.alpha is None
    assert image.changes == ()


@pytest.mark.parametrize(("alpha_bits", "alpha"), [(8, 0), (0, 200), (8, 200)])
def test_alpha_of_32_bits_is_kept(alpha_bits: int, alpha: int) -> None:
    image = tga(32, alpha_bits, np.full((3, 4, 4), alpha, np.uint8))
    assert image.alpha is not None
    assert (image.alpha == alpha).all()


def test_alpha_of_0_everywhere_that_the_header_denies_is_left_out() -> None:
    pixels = np.full((3, 4, 4), (10, 20, 30, 0), np.uint8)
    image = tga(32, 0, pixels)
    assert image.alpha is None
    assert image.pixels[0, 0].tolist() == [30, 20, 10]
    assert image.changes == ("an alpha of 0 everywhere was left out",)
