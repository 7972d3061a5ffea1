"""ICC profiles that are damaged or incomplete."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from esrgan_core.io.decoded_image import FORMATS, Format
from tests.support.metadata import (
    PIXELS,
    converted,
    jpeg_with,
    png_with,
    profile_of,
    saved,
    tiff,
)

DAMAGED = "the ICC profile is damaged: dropped, so colors may look different"
WHOLE = profile_of(1000)


def iccp(content: bytes) -> bytes:
    return png_with([(b"iCCP", b"name\0\0" + content)])


def part(number: int, count: int, content: bytes) -> tuple[int, bytes]:
    return 0xE2, b"ICC_PROFILE\0" + bytes((number, count)) + content


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "data",
    [
        iccp(b"no deflate"),
        iccp(zlib.compress(WHOLE)[:300]),
        iccp(zlib.compress(b"no profile" * 50)),
        jpeg_with([part(2, 2, WHOLE[500:])]),
        saved("JPEG", icc_profile=WHOLE[:-1]),
        saved("WEBP", icc_profile=WHOLE[:100]),
        tiff(PIXELS, iccprofile=WHOLE[:-1]),
        tiff(PIXELS.astype(np.uint16), iccprofile=b"no profile"),
    ],
)
def test_a_damaged_profile_is_dropped_and_reported(data: bytes, format_: Format) -> None:
    result, changes = converted(data, format_)
    assert DAMAGED in changes
    assert b"no profile" not in result
    assert "icc_profile" not in Image.open(BytesIO(result)).info
