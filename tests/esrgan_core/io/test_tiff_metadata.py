"""Metadata of TIFFs of every depth, made by tifffile and exiv2."""

from fractions import Fraction
from io import BytesIO
from typing import Any

import exiv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from esrgan_core.io.decoded_image import FORMATS, Format
from tests.support.metadata import PIXELS, converted, exif_of, iptc_of, tagged, tiff

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Label="violet"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
DESCRIPTION = "Exif.Image.ImageDescription"


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
        ({"metadata": {"axes": "YXS"}, "ome": True}, '<?xml version="1.0" '),
        ({"metadata": {}, "imagej": True}, "ImageJ=1.11a images="),
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
    expected = f"a description with sizes was dropped: {description}"
    assert sum(one.startswith(expected[:57]) for one in changes) == 1
    assert "\n" not in "".join(changes)


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
