"""Metadata in the tags of a TIFF."""

import re
from dataclasses import replace

from esrgan_core.io.decoded_image import Metadata
from esrgan_core.io.exif import POINTERS, pack_exif, read_exif
from esrgan_core.io.ifd import (
    RATIONAL,
    BinaryFile,
    Layout,
    Value,
    Values,
    read_directory,
    read_value,
    whole_number,
)
from esrgan_core.io.photoshop import with_photoshop

DESCRIPTION, XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG = 270, 700, 33723, 34377, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
RESOLUTION = {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
INCHES = {2: 1.0, 3: 2.54}
"""Factor from a resolution to dpi, by unit."""
DESCRIBING = {
    269, DESCRIPTION, 271, 272, 285, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432,
    *range(40091, 40096), 50341,
}  # fmt: skip
"""Tags that are true for every size: names, description, camera, software, date, artist, host,
colors, rating, copyright, Windows' texts, settings of printers."""
CODING = {
    *range(254, 260), *range(262, 267), 273, 274, 277, 278, 279, 280, 281, 284, *range(288, 294),
    297, 317, 320, *range(322, 326), 330, *range(332, 335), 336, *range(338, 348), *range(512, 522),
    *range(529, 533), 32997, 32998, 50674, XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG, *POINTERS,
}  # fmt: skip
"""Tags that describe the stored pixels, and metadata that is read apart."""
WITH_SIZES = re.compile(
    rb"""\s*(\{"shape":|shape=\(|ImageJ=|Aperio )"""
    rb"""|\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(\w+:)?OME\b""",
    re.DOTALL,
)
"""Beginnings of the descriptions of tifffile, ImageJ, OME-XML and Aperio, which name sizes."""


def tiff_metadata(file: BinaryFile, layout: Layout, start: int) -> Metadata:
    """The metadata in the directory at an offset of a TIFF."""
    found = read_directory(file, layout, start).entries
    separate = {
        tag: read_value(file, found[tag]).content
        for tag in (XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG)
        if tag in found
    }
    exif = read_exif(file, layout, start, only=DESCRIBING | RESOLUTION)
    metadata = Metadata(
        icc=separate.get(ICC_TAG, b""),
        xmp=separate.get(XMP_TAG, b""),
        iptc=separate.get(IPTC_TAG, b""),
        dpi=dpi_of(layout, exif.main),
    )
    if metadata.dpi is None:
        metadata = metadata.losing_aspect(*_ratios(layout, exif.main))
    metadata = with_photoshop(metadata, separate.get(PHOTOSHOP_TAG, b""))
    main = exif.main
    description = main.get(DESCRIPTION, Value(2, b"")).content
    if WITH_SIZES.match(description):
        main = {tag: value for tag, value in main.items() if tag != DESCRIPTION}
        words = description.decode("utf-8", "replace").strip("\0").split()
        beginning = " ".join(words)[:20]
        metadata = metadata.losing(f"a description with sizes was dropped: {beginning}...")
    if others := found.keys() - DESCRIBING - RESOLUTION - CODING:
        metadata = metadata.losing(f"tags of TIFF were dropped: {tag_names(others)}")
    exif = replace(exif, main=main)
    if main.keys() <= RESOLUTION and not (exif.exif or exif.gps):
        return metadata
    return replace(metadata, exif=pack_exif(exif))


def tag_names(tags: set[int]) -> str:
    """Names of tags, for messages."""
    from tifffile import TIFF  # noqa: PLC0415  slow to import

    return ", ".join(TIFF.TAGS.get(tag, str(tag)) for tag in sorted(tags))


def dpi_of(layout: Layout, main: Values) -> tuple[float, float] | None:
    """The resolution of a first directory; the unit is the inch unless it is stated."""
    unit = whole_number(layout, main[RESOLUTION_UNIT]) if RESOLUTION_UNIT in main else 2
    factor = INCHES.get(unit)
    x, y = _ratios(layout, main)
    return (x * factor, y * factor) if factor and x and y else None


def _ratios(layout: Layout, main: Values) -> tuple[float, float]:
    return _ratio(layout, main.get(X_RESOLUTION)), _ratio(layout, main.get(Y_RESOLUTION))


def _ratio(layout: Layout, value: Value | None) -> float:
    """A rational number; 0 if it is not one."""
    if value is None or value.type != RATIONAL:
        return 0.0
    numerator, denominator = layout.numbers("II", value.content[:8])
    return numerator / denominator if denominator else 0.0
