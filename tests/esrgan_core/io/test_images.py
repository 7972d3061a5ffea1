"""Images of every mode, in and out of every format."""

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tifffile
from imagecodecs import png_encode
from PIL import Image, ImageCms

from esrgan_core.io.alpha import fill_transparent
from esrgan_core.io.decoded_image import FORMATS, DecodedImage, Format, Metadata
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.exif import EXIF_IFD, ORIENTATION, WIDTH_TAG
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import read_image
from esrgan_core.io.writing import encode, write_image
from tests.support.images import tiff

SHAPE = (24, 32)
RANDOM = np.random.default_rng(0)
SMOOTH = np.add.outer(np.arange(24) * 4, np.arange(32) * 3)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" a="b"/></x:xmpmeta>'
)


def smooth(channels: int, kind: type = np.uint8, most: int = 255) -> np.ndarray:
    """A gentle decoded, which JPEG changes little."""
    planes = [SMOOTH + 20 * channel for channel in range(channels)]
    values = np.stack(planes, axis=2).astype(np.float64) / 255 * most
    return values.clip(0, most).astype(kind)


def saved(image: Image.Image, format_: str, **options: Any) -> BytesIO:
    buffer = BytesIO()
    image.save(buffer, format=format_, **options)
    return BytesIO(buffer.getvalue())


def png(values: np.ndarray) -> BytesIO:
    return BytesIO(png_encode(values))


def palette(*, clear: bool) -> BytesIO:
    image = Image.fromarray(smooth(3)).quantize(16)
    return saved(image, "PNG", transparency=3) if clear else saved(image, "PNG")


def with_alpha(values: np.ndarray) -> np.ndarray:
    top = np.iinfo(values.dtype).max
    alpha = np.full((*SHAPE, 1), top, dtype=values.dtype)
    alpha[:5] = 0
    alpha[5:9] = top // 3
    return np.concatenate([values, alpha], axis=2)


MODES: dict[str, tuple[Callable[[], BytesIO], tuple[int, type, bool]]] = {
    "gray": (lambda: saved(Image.fromarray(smooth(1)[..., 0]), "PNG"), (1, np.uint8, False)),
    "gray+alpha": (
        lambda: saved(Image.fromarray(with_alpha(smooth(1)), "LA"), "PNG"),
        (1, np.uint8, True),
    ),
    "RGB": (lambda: saved(Image.fromarray(smooth(3)), "PNG"), (3, np.uint8, False)),
    "RGBA": (lambda: saved(Image.fromarray(with_alpha(smooth(3))), "PNG"), (3, np.uint8, True)),
    "palette": (lambda: palette(clear=False), (3, np.uint8, False)),
    "palette, clear": (lambda: palette(clear=True), (3, np.uint8, True)),
    "1 bit": (
        lambda: saved(Image.fromarray(smooth(1)[..., 0]).convert("1"), "PNG"),
        (1, np.uint8, False),
    ),
    "CMYK": (
        lambda: tiff(smooth(4), photometric="separated"),
        (4, np.uint8, False),
    ),
    "I;16": (lambda: png(smooth(1, np.uint16, 65535)[..., 0]), (1, np.uint16, False)),
    "gray+alpha 16": (
        lambda: png(with_alpha(smooth(1, np.uint16, 65535))),
        (1, np.uint16, True),
    ),
    "RGB 16": (lambda: png(smooth(3, np.uint16, 65535)), (3, np.uint16, False)),
    "RGBA 16": (lambda: png(with_alpha(smooth(3, np.uint16, 65535))), (3, np.uint16, True)),
    "float": (
        lambda: tiff(smooth(1, np.float32, 1)[..., 0] + np.float32(SMOOTH / 1e3)),
        (1, np.float32, False),
    ),
    "float RGB": (
        lambda: tiff(smooth(3, np.float32, 1), photometric="rgb"),
        (3, np.float32, False),
    ),
}
KEPT = {
    "png": lambda channels, kind: channels != 4 and kind != np.float32,
    "jpg": lambda channels, kind: kind == np.uint8,
    "webp": lambda channels, kind: channels == 3 and kind == np.uint8,
    "tif": lambda channels, kind: True,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format_", FORMATS)
def test_a_mode_comes_out_as_it_went_in_or_the_change_is_stated(mode: str, format_: Format) -> None:
    make, (channels, kind, clear) = MODES[mode]
    decoded = read_image(make())
    assert decoded.pixels.shape == (*SHAPE, channels)
    assert decoded.pixels.dtype == kind
    assert (decoded.alpha is not None) == clear
    assert bool(decoded.changes) == (mode in ("palette", "palette, clear", "1 bit"))
    fitted = convert_to(decoded, format_)
    again = read_image(BytesIO(encode(fitted, format_)))
    kept = KEPT[format_](channels, kind) and not (clear and format_ == "jpg")
    assert (fitted.changes == decoded.changes) == kept
    assert again.pixels.dtype == fitted.pixels.dtype
    if kept:
        assert again.kind == decoded.kind
        off = np.abs(again.pixels.astype(float) - decoded.pixels.astype(float)).max()
        assert off <= (8 if format_ == "jpg" else 0)
        assert (again.alpha is None) == (decoded.alpha is None)
        if decoded.alpha is not None:
            assert again.alpha is not None
            assert np.array_equal(again.alpha, decoded.alpha)


@pytest.mark.parametrize("format_", FORMATS)
def test_profile_exif_and_xmp_come_through_with_the_orientation_applied(format_: Format) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F], exif[0x8298] = 6, "Maker", "someone"
    exif.get_ifd(EXIF_IFD)[0x829A] = 0.01
    exif.get_ifd(EXIF_IFD)[WIDTH_TAG] = 32
    exif.get_ifd(0x8825)[1] = "N"
    source = saved(
        Image.fromarray(smooth(3)), "JPEG", exif=exif, icc_profile=SRGB, xmp=XMP, dpi=(300, 300)
    )
    decoded = read_image(source)
    assert decoded.pixels.shape == (32, 24, 3)
    assert decoded.metadata.icc == SRGB
    data = encode(convert_to(decoded, format_), format_)
    with Image.open(BytesIO(data)) as image:
        assert image.info["icc_profile"] == SRGB
        found = image.getexif()
        assert found.get(ORIENTATION, 1) == 1
        assert (found[0x010F], found[0x8298]) == ("Maker", "someone")
        inner = found.get_ifd(EXIF_IFD)
        assert inner[0x829A] == pytest.approx(0.01)
        assert inner[WIDTH_TAG] == 24
        assert found.get_ifd(0x8825)[1] == "N"
        xmp = image.info["xmp"]
        assert b'a="b"' in xmp
        assert b"Orientation" not in xmp
        if format_ != "webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)
    again = read_image(BytesIO(data))
    assert again.metadata.xmp == decoded.metadata.xmp


def test_what_is_hidden_does_not_bleed() -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[3:6, 3:6] = (200, 100, 50)
    alpha = np.zeros((9, 9), np.uint8)
    alpha[3:6, 3:6] = 255
    assert (fill_transparent(pixels, alpha) == (200, 100, 50)).all()
    assert np.array_equal(fill_transparent(pixels, np.zeros_like(alpha)), pixels)


def test_bombs_are_refused_by_their_header() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 16, 2, 0, 0, 0)
    data = bytearray(png_encode(smooth(3, np.uint16, 65535)))
    data[16:29] = header
    from zlib import crc32

    data[29:33] = struct.pack(">I", crc32(data[12:29]))
    with pytest.raises(BadImageError, match="10000000000 pixels"):
        read_image(BytesIO(bytes(data)))
    large = tiff(np.zeros((4, 4, 3), np.uint16), photometric="rgb").getvalue()
    with tifffile.TiffFile(BytesIO(large)) as file:
        offsets = [file.pages.first.tags[tag].valueoffset for tag in (256, 257)]
    bomb = bytearray(large)
    for offset in offsets:
        bomb[offset : offset + 4] = struct.pack("<I", 100_000)
    with pytest.raises(BadImageError, match="100000x100000 pixels are more than"):
        read_image(BytesIO(bytes(bomb)))


def test_500_damaged_files_are_read_or_named() -> None:
    random = Random(0)
    whole = [make().getvalue() for make, _ in MODES.values()]
    whole += [encode(read_image(MODES["RGB"][0]()), format_) for format_ in FORMATS]
    named = 0
    for number in range(500):
        data = bytearray(whole[number % len(whole)])
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] = random.randrange(256)
        if number % 3 == 0:
            del data[random.randrange(len(data)) :]
        try:
            read_image(BytesIO(bytes(data)))
        except BadImageError:
            named += 1
    assert 100 < named < 500


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    decoded = DecodedImage(pixels=smooth(3), metadata=Metadata(icc=SRGB))
    path = tmp_path / "new" / "a.png"
    write_image(path, decoded, "png")
    assert read_image(path).metadata.icc == SRGB
    assert [one.name for one in path.parent.iterdir()] == ["a.png"]
