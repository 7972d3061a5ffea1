"""EXIF, GPS, IPTC, resolution and descriptions, written and read by exiv2."""

import struct
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from random import Random
from typing import Any

import exiv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from esrgan_core.io.decoded_image import FORMATS, Format
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.formats import convert_metadata, convert_to
from esrgan_core.io.reading import read_image
from esrgan_core.io.tiff_writing import streamed_tiff
from esrgan_core.io.writing import encode
from tests.support.metadata import (
    PIXELS,
    chunks_of,
    exif_bytes,
    exif_of,
    iptc_of,
    jpeg_with,
    png_with,
    saved,
    segments_of,
    tagged,
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
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Label="violet"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
DESCRIPTION = "Exif.Image.ImageDescription"


def converted(data: bytes, format_: Format) -> tuple[bytes, tuple[str, ...]]:
    """(file, changes) of an image in another format."""
    image = convert_to(read_image(BytesIO(data)), format_)
    return encode(image, format_), image.changes


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        values,
        photometric="rgb" if values.ndim == 3 else "minisblack",
        **{"metadata": None, **options},
    )
    return buffer.getvalue()


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
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("layout", [{}, {"byteorder": ">"}, {"bigtiff": True}])
def test_tiff_of_every_depth_keeps_its_metadata(
    format_: Format, kind: type, layout: dict[str, Any]
) -> None:
    values = PIXELS.astype(kind) / (255 if kind == np.float32 else 1)
    source = tiff(
        values.astype(kind),
        resolution=(300, 200),
        resolutionunit="inch",
        iccprofile=SRGB,
        extratags=[(700, 1, len(XMP), XMP, True), (33432, 2, None, "(c) Rémi".encode(), True)],
        **layout,
    )
    wanted = {"Exif.Image.Copyright": "(c) Rémi"}
    if not layout.get("bigtiff"):
        added: dict[str, str | bytes] = {
            "Exif.Image.DateTime": "2020:01:01 00:00:00",
            "Exif.Photo.ExposureTime": "1/125",
            "Exif.GPSInfo.GPSLatitudeRef": "N",
        }
        source = tagged(source, added, iptc={"Iptc.Application2.Caption": "Grüße"})
        wanted |= {key: str(value) for key, value in added.items()}
    data, changes = converted(source, format_)
    assert wanted.items() <= exif_of(data).items()
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    if format_ != "webp":
        assert iptc_of(data).get("Iptc.Application2.Caption") == (
            None if layout.get("bigtiff") else "Grüße"
        )
    elif not layout.get("bigtiff"):
        assert "WebP cannot hold IPTC: dropped" in changes
    assert b"violet" in bytes(image.xmpPacket(), "utf-8")
    assert bytes(image.iccProfile().data()) == SRGB
    if format_ in ("jpg", "png"):
        with Image.open(BytesIO(data)) as opened:
            assert opened.info["dpi"] == pytest.approx((300, 200), abs=0.02)
    else:
        found = exif_of(data)
        resolution = [Fraction(found[f"Exif.Image.{axis}Resolution"]) for axis in "XY"]
        assert resolution == [300, 200]


def test_a_resolution_per_centimeter_is_converted() -> None:
    source = tiff(PIXELS.astype(np.uint16), resolution=(100, 100), resolutionunit="centimeter")
    data, _ = converted(source, "png")
    with Image.open(BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx((254, 254), abs=0.02)


@pytest.mark.parametrize(
    ("options", "description"),
    [
        ({"metadata": {}}, '{"shape": [24, 32, 3]'),
        ({"metadata": {"axes": "YXS"}, "ome": True}, "<?xml"),
        ({"metadata": {}, "imagej": True}, "ImageJ="),
        ({"description": "shape=(24, 32, 3)"}, "shape=(24, 32, 3)"),
        ({"description": "Aperio Image Library\n46000x32914"}, "Aperio Image Library"),
    ],
)
@pytest.mark.parametrize("format_", ["tif", "png"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_description_that_names_sizes_is_left_out_and_reported(
    options: dict[str, Any], description: str, format_: Format, kind: type
) -> None:
    # ImageJ has no color of 16 bits
    values = PIXELS[..., 0] if "imagej" in options else PIXELS
    data, changes = converted(tiff(values.astype(kind), **options), format_)
    assert DESCRIPTION not in exif_of(data)
    assert sum(f"a description with sizes was dropped: {description}"[:50] in one
               for one in changes) == 1  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_another_description_is_kept(format_: Format, kind: type) -> None:
    data, changes = converted(tiff(PIXELS.astype(kind), description="A harbor"), format_)
    assert exif_of(data)[DESCRIPTION] == "A harbor"
    assert not [one for one in changes if "description" in one]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tags_that_may_depend_on_the_size_are_reported(kind: type) -> None:
    scale = (33550, 12, 3, (10.0, 10.0, 0.0), True)
    _, changes = converted(tiff(PIXELS.astype(kind), extratags=[scale]), "tif")
    assert changes == ("tags of TIFF were dropped: ModelPixelScaleTag",)


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


@pytest.mark.parametrize(("format_", "name"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WebP")])
@pytest.mark.parametrize("value", [(10**9, 1), (1, 10**9)])
def test_an_extreme_resolution_is_kept_or_reported(
    format_: Format, name: str, value: tuple[int, int]
) -> None:
    source = tiff(PIXELS, resolution=(value, value), resolutionunit="inch")
    _, changes = converted(source, format_)
    dpi = f"{value[0] / value[1]:g}"
    assert changes == (f"{name} cannot hold a resolution of {dpi}x{dpi} dpi: dropped",)


def test_the_resolution_of_a_microscope_is_kept() -> None:
    # 10 nanometers a pixel
    source = tiff(PIXELS, resolution=(10**6, 10**6), resolutionunit="centimeter")
    found = exif_of(converted(source, "tif")[0])
    assert Fraction(found["Exif.Image.XResolution"]) == 2_540_000
    _, changes = converted(source, "jpg")
    assert changes == ("JPEG cannot hold a resolution of 2.54e+06x2.54e+06 dpi: dropped",)


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
