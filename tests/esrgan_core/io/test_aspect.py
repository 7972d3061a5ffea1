"""Pixels that are no squares, by a resolution without a unit."""

import struct

import numpy as np
import pytest

from esrgan_core.io.decoded_image import FORMATS, Format
from tests.support.metadata import PIXELS, converted, png_with, saved, tiff

LOST = "the aspect of the pixels was dropped: 2 to 1 per length"


def jpeg(unit: int, x: int, y: int) -> bytes:
    data = saved("JPEG")
    return data[:13] + struct.pack(">BHH", unit, x, y) + data[18:]


def png(unit: int, x: int, y: int) -> bytes:
    return png_with([(b"pHYs", struct.pack(">IIB", x, y, unit))])


def tiff_with(kind: type, unit: str, x: int, y: int) -> bytes:
    return tiff(PIXELS.astype(kind), resolution=(x, y), resolutionunit=unit)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "data",
    [
        jpeg(0, 2, 1), png(0, 2, 1), tiff_with(np.uint8, "none", 2, 1),
        tiff_with(np.uint16, "none", 2, 1),
    ],
)  # fmt: skip
def test_it_is_reported(data: bytes, format_: Format) -> None:
    assert LOST in converted(data, format_)[1]


@pytest.mark.parametrize(
    "data",
    [
        jpeg(0, 1, 1), jpeg(1, 200, 100), png(0, 1, 1), png(1, 2000, 1000),
        tiff_with(np.uint8, "none", 1, 1), tiff_with(np.uint8, "inch", 200, 100),
    ],
)  # fmt: skip
def test_squares_and_resolutions_are_not(data: bytes) -> None:
    assert not converted(data, "tif")[1]
