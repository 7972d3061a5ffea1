"""What a result must hold, or what the command must report about it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO

import exiv2
import numpy as np

from esrgan_core.io.decoded_image import FORMATS, DecodedImage, Format
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.writing import encode
from tests.support.image_matrix import Sample, Unit
from tests.support.matrix_decoding import as_srgb, decode, differences, profile
from tests.support.tag_bytes import (
    COPYRIGHT,
    EXIF_IFD,
    HEIGHT,
    LONG_TEXT,
    ORIENTATION,
    WIDTH,
    Tags,
    exif_bytes,
    iptc_records,
)
from tests.support.tag_reading import READ, Found, read_directories
from tests.support.tagged import PUT

Problems = Iterator[str]
JPEG_ERROR, BLURRED = 8 / 255, 60 / 255
"""Largest difference of a JPEG from smooth pixels, and from pixels with edges."""
TIFF_SIZES = {(0, 256), (0, 257), (EXIF_IFD, WIDTH), (EXIF_IFD, HEIGHT)}
exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)


def check(sample: Sample, tags: Tags) -> Problems:
    """Take an image with metadata to every format."""
    icc = profile(tags.icc) if tags.icc else b""
    put = PUT.get(sample.format)
    source = BytesIO(put(sample.data, tags, icc) if put else sample.data)
    image = read_image(source)
    turn = tags.orientation or tags.xmp_orientation or 1
    upright = replace(
        sample, color=turned(sample.color, turn),
        alpha=None if sample.alpha is None else turned(sample.alpha, turn),
    )  # fmt: skip
    if image_size(source) != upright.color.shape[:2]:
        yield f"image_size is {image_size(source)}"
    if image.pixels.itemsize * 8 != sample.depth:
        yield f"read as {image.pixels.dtype}"
    large = doubled(image)
    for format_ in FORMATS:
        try:
            result = convert_to(large, format_)
            data = encode(result, format_)
        except Exception as error:
            yield f"{format_}: {error!r}"
            continue
        rules = Rules(upright, tags, icc, format_)
        yield from (f"{format_}: {one}" for one in rules.problems(data, result.changes))


def doubled(image: DecodedImage) -> DecodedImage:
    """Every pixel four times, instead of a network."""
    alpha = image.alpha
    return replace(
        image,
        pixels=image.pixels.repeat(2, 0).repeat(2, 1),
        alpha=None if alpha is None else alpha.repeat(2, 0).repeat(2, 1),
    )


def turned(values: Unit, orientation: int) -> Unit:
    """The upright image, by the definition of the tag: where its first row and column are."""
    rows, columns = values.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    down, right = rows - 1 - y, columns - 1 - x
    target = {1: (y, x), 2: (y, right), 3: (down, right), 4: (down, x), 5: (x, y), 6: (x, down),
              7: (right, down), 8: (right, y)}[orientation]  # fmt: skip
    shape = (columns, rows) if orientation > 4 else (rows, columns)
    result = np.empty((*shape, *values.shape[2:]))
    result[target] = values
    return result


class Rules:
    """What one format must hold of one image with its metadata."""

    def __init__(self, sample: Sample, tags: Tags, icc: bytes, format_: Format) -> None:
        self.sample, self.tags, self.icc, self.format = sample, tags, icc, format_
        self.expected = list(sample.reported)
        self.converted = False

    def problems(self, data: bytes, changes: tuple[str, ...]) -> Problems:
        yield from self.pixels(data)
        found = READ[self.format](data)
        yield from self.metadata(found, data)
        text = "; ".join(changes)
        for pattern in self.expected:
            if not any(re.search(pattern, change) for change in changes):
                yield f"'{pattern}' is not reported, but '{text}'"
        for change in changes:
            if not any(re.search(pattern, change) for pattern in self.expected):
                yield f"reported without a reason: '{change}'"

    def pixels(self, data: bytes) -> Problems:
        sample = self.sample
        color, alpha, depth = sample.color, sample.alpha, sample.depth
        tolerance = sample.tolerance
        icc = self.icc if self.tags.icc == sample.kind else b""
        clipped = r"float became \d+ bits, values from .* were clipped"
        if depth == 32 and self.format != "tif":
            outside = color.min() < -0.01 or color.max() > 1.01
            self.expected.append(clipped if outside else r"^float became \d+ bits$")
            color, depth = color.clip(0, 1), 16 if self.format == "png" else 8
        elif depth > 8 and self.format in ("jpg", "webp"):
            self.expected.append("16 bits became 8 bits")
            depth = 8
        if self.format == "jpg" and alpha is not None:
            if (alpha < 1).any():
                self.expected.append("no alpha: composited on white")
            white = 0 if sample.kind == "cmyk" else 1 - alpha[..., None]
            color = color * alpha[..., None] + white
            alpha = None
        if (self.format == "webp" and sample.kind != "rgb") or (
            self.format == "png" and sample.kind == "cmyk"
        ):
            self.converted = True
            self.expected.append(f"^{sample.kind} became RGB" + " by its profile" * bool(icc) + "$")
            if depth > 8:
                self.expected.append("16 bits became 8 bits")
                depth = 8
            color = as_srgb(color, sample.kind, icc)
            tolerance += 2 / 255 if icc or sample.kind == "cmyk" else 0
        values, opacity, bits = decode(data, self.format)
        if bits != depth:
            yield f"{bits} bits instead of {depth}"
        tolerance += 1e-6 if depth == 32 else 0.51 / (2**depth - 1)
        if sample.depth > depth or sample.tolerance:
            tolerance += 0.51 / (2**depth - 1)
        if self.format == "jpg":
            tolerance += BLURRED if sample.hard else JPEG_ERROR
        yield from differences("alpha", opacity, alpha, tolerance)
        # hidden colors may be any
        visible = np.ones(color.shape[:2], bool) if alpha is None else alpha > 0
        yield from differences("color", values, color, tolerance, visible)

    def metadata(self, found: Found, data: bytes) -> Problems:
        tags = self.tags
        yield from self.upright(found)
        if tags.exif:
            yield from self.exif(found, data)
        if tags.xmp or tags.xmp_orientation:
            complete = "Rémi".encode() in found.xmp and (
                not tags.long_xmp or LONG_TEXT.encode() in found.xmp
            )
            yield from self.kept("XMP", complete, "XMP")
        if self.icc:
            yield from self.profile(found)
        if tags.dpi[0]:
            near = found.dpi is not None and np.allclose(found.dpi, tags.dpi, rtol=1e-3)
            yield from self.kept("the resolution", near, "resolution")
        if tags.texts:
            yield from self.kept("texts", self.has_texts(found), "texts", must=self.format == "png")
        if tags.comment:
            texts = (*found.comments, *(content for _, content in found.texts))
            same = any(one.endswith(tags.comment) for one in texts)
            yield from self.kept("the comment", same, "comment", must=self.format in ("jpg", "png"))
        if tags.iptc:
            same = found.iptc.startswith(iptc_records())
            yield from self.kept("IPTC", same, "IPTC", must=self.format in ("jpg", "tif"))
        if tags.colors:
            yield from self.colors(found)

    def profile(self, found: Found) -> Problems:
        fits, kind = self.tags.icc == self.sample.kind, self.sample.kind
        same = found.icc == self.icc
        if self.converted and (fits or kind == "cmyk"):
            if found.icc:
                yield "a profile of other colors than the pixels"
            if not fits:
                self.expected.append("ICC profile could not be applied: dropped")
        elif not fits and self.format == "png":
            yield from self.kept("the profile", same, "ICC profile", must=False)
        else:
            yield from self.kept("the profile", same, "ICC profile")

    def kept(self, what: str, same: bool, pattern: str, *, must: bool = True) -> Problems:
        """A loss must be reported, and is an error where the format could hold it."""
        if same:
            return
        self.expected.append(pattern)
        if must:
            yield f"{what} was not kept"

    def upright(self, found: Found) -> Problems:
        if found.exif.get((0, ORIENTATION), (1,)) != (1,):
            yield f"EXIF has orientation {found.exif[0, ORIENTATION]}"
        if turn := re.search(rb"tiff:Orientation\D*([2-8])", found.xmp):
            yield f"XMP has orientation {turn[1].decode()}"
        if found.thumbnail:
            yield "the thumbnail of the small image was kept"

    def exif(self, found: Found, data: bytes) -> Problems:
        wanted, _ = read_directories(exif_bytes(replace(self.tags, dpi=(0, 0))))
        ignored = TIFF_SIZES | {(0, ORIENTATION), (0, EXIF_IFD), (0, 0x8825)}
        lost = [key for key in wanted.keys() - ignored if found.exif.get(key) != wanted[key]]
        if self.format == "jpg" and self.tags.note:
            # more than a segment of JPEG
            self.expected.append("EXIF of .* dropped")
            return
        if lost:
            names = ", ".join(f"{pointer:x}/{tag:x}" for pointer, tag in sorted(lost))
            yield f"EXIF was not kept: {names}"
            return
        rows, columns = self.sample.color.shape[:2]
        sizes = [found.exif.get((EXIF_IFD, tag)) for tag in (HEIGHT, WIDTH)]
        if sizes != [(2 * rows,), (2 * columns,)]:
            yield f"EXIF has the size {sizes}"
        text = by_exiv2(data).get("Exif.Image.Copyright")
        if text != COPYRIGHT:
            yield f"exiv2 reads the copyright {text!r}"

    def has_texts(self, found: Found) -> bool:
        return set(self.tags.texts) <= set(found.texts)

    def colors(self, found: Found) -> Problems:
        same = list(self.tags.colors) == found.colors
        names = [name.decode() for name, _ in self.tags.colors]
        if names == ["sRGB"] or (self.format != "png" and found.icc):
            # what images without a description have, and a profile of the same colors
            return
        yield from self.kept("colors", same, names[0], must=self.format == "png")


@cache
def by_exiv2(data: bytes) -> dict[str, str]:
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    return {datum.key(): datum.toString() for datum in image.exifData()}
