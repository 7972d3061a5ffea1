"""EXIF and GPS, written and read by exiv2."""

import struct
from contextlib import suppress
from io import BytesIO
from random import Random
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from esrgan_core.io.decoded_image import FORMATS, Format
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.formats import convert_metadata
from esrgan_core.io.reading import read_image
from esrgan_core.io.tiff_writing import streamed_tiff
from tests.support.metadata import (
    PIXELS,
    chunks_of,
    converted,
    exif_bytes,
    exif_of,
    jpeg_with,
    png_with,
    saved,
    segments_of,
    tagged,
    tiff,
)

NOTE = bytes(range(1, 60))
TAGS: dict[str, str | bytes] = {
    "Exif.Image.Make": "Maker",
    "Exif.Image.Copyright": "(c) 2020 Rémi",
    "Exif.Image.Orientation": "6",
    "Exif.Image.XResolution": "300/1",
    "Exif.Image.YResolution": "300/1",
    "Exif.Image.Rating": "4",
    "Exif.Photo.UserComment": "charset=Unicode Grüße",
    "Exif.Photo.MakerNote": NOTE,
    "Exif.Photo.PixelXDimension": "32",
    "Exif.Photo.PixelYDimension": "24",
    "Exif.Photo.ExposureTime": "1/125",
    "Exif.GPSInfo.GPSLatitude": "48/1 51/1 2405/100",
    "Exif.GPSInfo.GPSLatitudeRef": "N",
    "Exif.Iop.InteroperabilityIndex": "R98",
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def stored_exif(data: bytes, format_: Format) -> bytes:
    match format_:
        case "jpg":
            return next(one[6:] for _, one in segments_of(data) if one.startswith(b"Exif\0\0"))
        case "png":
            return dict(chunks_of(data))[b"eXIf"]
        case _:
            with Image.open(BytesIO(data)) as image:
                return bytes(image.info["exif"])


SOURCES = {
    "jpg": lambda exif: jpeg_with([(0xE1, b"Exif\0\0" + exif)]),
    "png": lambda exif: png_with([(b"eXIf", exif)]),
    "webp": lambda exif: saved("WEBP", lossless=True, exif=exif),
}


@pytest.mark.parametrize("order", ["littleEndian", "bigEndian"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("format_", ["jpg", "png", "webp"])
def test_bytes_of_exif_pass_unchanged_but_for_orientation_and_sizes(
    order: str, source: str, format_: Format
) -> None:
    data, changes = converted(SOURCES[source](exif_bytes(TAGS, order)), format_)
    turned = {"Orientation": "1", "PixelXDimension": "24", "PixelYDimension": "32"}
    expected = {key: turned.get(key.rsplit(".")[-1], value) for key, value in TAGS.items()}
    assert stored_exif(data, format_) == exif_bytes(expected, order)
    assert not changes


@pytest.mark.parametrize("order", ["littleEndian", "bigEndian"])
@pytest.mark.parametrize("source", SOURCES)
def test_exif_becomes_tags_of_tiff(order: str, source: str) -> None:
    exif = exif_bytes(TAGS, order)
    data, changes = converted(SOURCES[source](exif), "tif")
    found = exif_of(data)
    for key, value in exif_of(SOURCES["jpg"](exif)).items():
        name = key.rsplit(".")[-1]
        if name.endswith("Tag"):
            continue
        if name == "Orientation":
            assert found.get(key, "1") == "1"
        else:
            sizes = {"PixelXDimension": "24", "PixelYDimension": "32"}
            assert found[key] == sizes.get(name, value)
    assert not changes


@pytest.mark.parametrize("bigtiff", [False, True])
def test_exif_is_the_same_in_a_large_tiff(
    bigtiff: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esrgan_core.io.tiff_writing.CLASSIC", 0 if bigtiff else 2**32)
    exif = exif_bytes(TAGS, "bigEndian")
    image = read_image(BytesIO(SOURCES["jpg"](exif)))
    size = image.pixels.shape[:2]
    with streamed_tiff(tmp_path / "a.tif", convert_metadata(image, "tif", size), size) as pixels:
        pixels[:] = image.pixels
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff == bigtiff
        tags = file.pages.first.tags
        assert tags["Copyright"].value == "(c) 2020 Rémi"
        assert tags["ExifTag"].value["ExposureTime"] == (1, 125)
        assert tags["ExifTag"].value["PixelXDimension"] == 24
        assert tags["ExifTag"].value["MakerNote"] == NOTE
        assert tags["GPSTag"].value["GPSLatitude"] == (48, 1, 51, 1, 2405, 100)
    assert (tifffile.imread(tmp_path / "a.tif") == image.pixels).all()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_stale_thumbnail_does_not_remain(format_: Format) -> None:
    buffer = BytesIO()
    Image.new("RGB", (16, 12), "red").save(buffer, "JPEG")
    exif = exif_bytes(TAGS, thumbnail=buffer.getvalue())
    assert buffer.getvalue() in exif
    data, _ = converted(SOURCES["jpg"](exif), format_)
    assert buffer.getvalue()[:20] not in data.removeprefix(buffer.getvalue()[:20])
    assert not [key for key in exif_of(data) if "Thumbnail" in key]


def large_exif(note: int, thumbnail: int) -> bytes:
    """EXIF with a copyright, a camera's note and a thumbnail of some bytes."""
    main = struct.pack("<H2HII2HIII", 2, 33432, 2, 4, 0x632928, 34665, 4, 1, 38, 56 + note)
    inner = struct.pack("<H2HIII", 1, 37500, 7, note, 56, 0)
    second = struct.pack("<H2HII2HIII", 2, 513, 4, 1, 86 + note, 514, 4, 1, thumbnail, 0)
    return b"II*\0" + struct.pack("<I", 8) + main + inner + bytes(note) + second + bytes(thumbnail)


def test_exif_larger_than_a_segment_of_jpeg_is_dropped_and_reported() -> None:
    data, changes = converted(SOURCES["png"](large_exif(65_600, 0)), "jpg")
    assert not exif_of(data)
    assert changes == ("JPEG cannot hold EXIF of 65656 bytes, more than 65527: dropped",)


@pytest.mark.parametrize("source", ["png", "webp"])
def test_exif_that_fits_without_its_thumbnail_is_kept(source: str) -> None:
    exif = large_exif(20_000, 60_000)
    data, changes = converted(SOURCES[source](exif), "jpg")
    assert exif_of(data)["Exif.Image.Copyright"] == "()c"
    assert exif_of(data)["Exif.Photo.MakerNote"] == " ".join(["0"] * 20_000)
    assert not changes


@pytest.mark.parametrize("format_", FORMATS)
def test_damaged_exif_is_dropped_and_reported(format_: Format) -> None:
    data, changes = converted(SOURCES["webp"](b"no EXIF at all"), format_)
    assert not [key for key in exif_of(data) if not key.startswith("Exif.Image.")]
    assert len(changes) == 1
    assert "damaged EXIF" in changes[0]


@pytest.mark.parametrize("format_", FORMATS)
def test_damaged_files_raise_nothing_but_errors_of_the_image(format_: Format) -> None:
    random = Random(0)
    exif = large_exif(40, 30)
    whole = [make(data) for make in SOURCES.values() for data in (exif, exif_bytes(TAGS))]
    whole.append(tagged(tiff(PIXELS.astype(np.uint16), iccprofile=SRGB), TAGS))
    for number in range(140):
        data = bytearray(whole[number % len(whole)])
        # where the metadata is, in most files
        start = max(0, data.find(b"II*\0"))
        for _ in range(random.randint(1, 4)):
            data[min(len(data) - 1, start + random.randrange(400))] = random.randrange(256)
        with suppress(BadImageError):
            converted(bytes(data), format_)
