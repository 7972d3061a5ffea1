"""Sizes that each format holds."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imagecodecs import PngError
from PIL import Image

from esrgan_core.io.decoded_image import DecodedImage, Format, Metadata
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.formats import check_size
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.tiff_writing import streamed_tiff
from esrgan_core.io.writing import encode


@pytest.mark.parametrize(
    ("format_", "side"), [("webp", 16_383), ("jpg", 65_500), ("png", 1_000_000)]
)
@pytest.mark.parametrize("is_tall", [False, True])
def test_the_largest_side_of_a_format_can_be_written_and_no_more(
    format_: Format, side: int, is_tall: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(side: int) -> bytes:
        shape = (side, 1, 3) if is_tall else (1, side, 3)
        return encode(DecodedImage(pixels=np.zeros(shape, np.uint8)), format_)

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    check_size(side, side, format_)
    with Image.open(BytesIO(written(side))) as image:
        assert image.size == ((1, side) if is_tall else (side, 1))
        image.load()
    sizes = (1, side + 1) if is_tall else (side + 1, 1)
    remedy = "use --format tif$" if format_ == "png" else "use --format png or .*tif$"
    with pytest.raises(BadImageError, match=f"does not fit into {format_}.* {remedy}"):
        check_size(*sizes, format_)
    with pytest.raises((OSError, ValueError, PngError)):
        written(side + 1)


@pytest.mark.parametrize("size", [(1, 2**31 - 1), (40_000, 36_000)])
def test_a_tiff_above_4_gb_keeps_pixels_and_exif(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    channels = 1 if size[0] == 1 else 3
    image = DecodedImage(
        pixels=np.zeros((1, 1, channels), np.uint8),
        metadata=Metadata(exif=exif.tobytes().removeprefix(b"Exif\0\0")),
    )
    path = tmp_path / "large.tif"
    # sparse: only two pages of the file are written
    with streamed_tiff(path, image, size) as pixels:
        pixels[0, 0], pixels[-1, -1] = 5, 7
    check_size(*size, "tif")
    found = tifffile.memmap(path, mode="r").reshape(*size, channels)
    assert (found[0, 0] == 5).all()
    assert (found[-1, -1] == 7).all()
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff == (channels == 3)
        assert file.pages.first.tags["ExifTag"].value["DateTimeOriginal"] == "2020:01:01 00:00:00"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(path) as opened:
        assert opened.getexif().get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"


@pytest.mark.parametrize("tag", ["ImageWidth", "BitsPerSample"])
def test_a_tiff_without_pixels_or_depth_is_damaged(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        found = file.pages.first.tags[tag]
        if tag == "ImageWidth":
            found.overwrite(0)
    if tag == "BitsPerSample":
        data = bytearray(path.read_bytes())
        # another number, that no reader knows
        data[found.offset : found.offset + 2] = struct.pack("<H", 50_000)
        path.write_bytes(data)
    for read in (read_image, image_size):
        with pytest.raises(BadImageError, match="damaged"):
            read(path)
