"""Files that are no images are called what they are."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import jpeg8_encode, jpegxl_encode

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import image_size, read_image
from tests.support.metadata import png_with

PIXELS = np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file; fetch or export it again"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "a HEIC; replace it with a PNG"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "a video; replace it with a PNG"),
        (b"\0\0\0\x18ftypcrx " + bytes(99), "a raw photograph; replace it with a PNG"),
        (bytes(jpegxl_encode(PIXELS)), "a JPEG XL; replace it with a PNG"),
        (b"%PDF-1.7\n", "a PDF; replace it with a PNG"),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page; fetch the image again"),
        (b"<?xml version='1.0'?>\n<svg>", r"a drawing \(SVG\); replace it with a PNG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        (
            bytes(jpeg8_encode(PIXELS.astype(np.uint16), bitspersample=12)),
            "a JPEG, damaged or of a kind that Pillow does not know",
        ),
        (
            png_with([]).replace(b"IHDR", b"IHDS"),
            "a PNG, damaged or of a kind that Pillow does not know",
        ),
        (b"hello", "not an image that Pillow can read; replace it with a PNG"),
    ],
)
def test_other_files_are_named(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for read in (read_image, image_size):
        for source in (BytesIO(data), path):
            with pytest.raises(BadImageError, match=message):
                read(source)
