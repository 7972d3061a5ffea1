"""One rule of orientation for all depths and formats."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagecodecs import png_encode
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from esrgan_core.io.orientation import find_orientation
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.rgb import read_rgb
from tests.support.images import png_chunk, tiff

ORIENTATION, XMP = 274, 700
STORED = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2) * 40
UPRIGHT = {
    1: STORED, 2: STORED[:, ::-1], 3: STORED[::-1, ::-1], 4: STORED[::-1],
    5: STORED.swapaxes(0, 1), 6: np.rot90(STORED, -1),
    7: STORED[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(STORED),
}  # fmt: skip
"""By EXIF's definition: the place of the row 0 and the column 0."""
ATTRIBUTE, QUOTED, ELEMENT = (
    '<rdf:Description tiff:Orientation="{}" a="b"/>',
    "<rdf:Description a='b'\n tiff:Orientation = '{}'/>",
    "<rdf:Description a='b'><tiff:Orientation> {} </tiff:Orientation></rdf:Description>",
)


def xmp(orientation: int, pattern: str = ATTRIBUTE) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{pattern.format(orientation)}</x:xmpmeta>'.encode()


def turned_tiff(values: np.ndarray, exif: int | None, packet: bytes, **options: Any) -> BytesIO:
    tags: list[tuple[int, int, int, Any, bool]] = []
    if exif is not None:
        tags.append((ORIENTATION, 3, 1, exif, True))
    if packet:
        tags.append((XMP, 1, len(packet), packet, True))
    return tiff(values, extratags=tags, **options)


def by_pillow(format_: str, exif: int | None, packet: bytes) -> BytesIO:
    tags = Image.Exif()
    if exif is not None:
        tags[ORIENTATION] = exif
    options: dict[str, Any] = {"exif": tags.tobytes()} if exif is not None else {}
    if packet and format_ == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
    elif packet:
        options["xmp"] = packet
    if format_ == "WEBP":
        options |= {"lossless": True, "exact": True}
    if format_ == "JPEG":
        options |= {"quality": 100, "subsampling": "4:4:4"}
    buffer = BytesIO()
    Image.fromarray(STORED).save(buffer, format=format_, **options)
    return BytesIO(buffer.getvalue())


def make(kind: str, exif: int | None, packet: bytes) -> BytesIO:
    match kind:
        case "TIFF 8":
            return turned_tiff(STORED, exif, packet, photometric="rgb")
        case "TIFF 16":
            return turned_tiff(STORED.astype(np.uint16) * 257, exif, packet, photometric="rgb")
        case "TIFF float":
            return turned_tiff(STORED.astype(np.float32) / 255, exif, packet, photometric="rgb")
        case "TIFF palette":
            colors = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
            return turned_tiff(STORED[..., 0], exif, packet, photometric="palette", colormap=colors)
        case _:
            return by_pillow(kind, exif, packet)


KINDS = ("TIFF 8", "TIFF 16", "TIFF float", "TIFF palette", "JPEG", "PNG", "WEBP")


def check(source: BytesIO, orientation: int) -> None:
    image = read_image(source)
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[str(image.pixels.dtype)]
    found = np.rint(image.pixels.astype(float) / white * 255)
    assert found.shape == UPRIGHT[orientation].shape
    assert np.abs(found - UPRIGHT[orientation]).max() <= 3
    assert b"Orientation" not in image.metadata.xmp
    assert image_size(source) == UPRIGHT[orientation].shape[:2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_applied(kind: str, orientation: int) -> None:
    check(make(kind, orientation, b""), orientation)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", [ATTRIBUTE, QUOTED, ELEMENT])
def test_xmp_is_applied_without_exif(kind: str, pattern: str) -> None:
    source = make(kind, None, xmp(6, pattern))
    check(source, 6)
    kept = read_image(source).metadata.xmp
    assert b"a=" in kept


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exif", [1, 3, 8])
def test_exif_overrides_xmp_which_loses_it(kind: str, exif: int) -> None:
    check(make(kind, exif, xmp(6)), exif)


@pytest.mark.parametrize("kind", ["TIFF 8", "TIFF 16", "TIFF palette", "JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("invalid", [0, 9])
def test_an_invalid_orientation_does_not_count(kind: str, invalid: int) -> None:
    check(make(kind, invalid, xmp(6)), 6)
    check(make(kind, invalid, b""), 1)


def test_alpha_is_turned_with_the_colors() -> None:
    values = np.concatenate([STORED, STORED[..., :1]], axis=2).astype(np.uint16)
    source = turned_tiff(values, 6, b"", photometric="rgb", extrasamples=["unassalpha"])
    image = read_image(source)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, UPRIGHT[6][..., 0])


def test_training_reads_upright_images() -> None:
    assert np.array_equal(read_rgb(make("PNG", 8, b"")), UPRIGHT[8])


def test_exif_of_16_bit_png_is_applied() -> None:
    encoded = png_encode(STORED.astype(np.uint16) * 257)
    with Image.open(make("PNG", 5, b"")) as image:
        exif = image.getexif().tobytes().removeprefix(b"Exif\0\0")
    check(BytesIO(encoded[:33] + png_chunk(b"eXIf", exif) + encoded[33:]), 5)


def test_the_first_valid_orientation_of_xmp_counts() -> None:
    packet = xmp(0) + xmp(7, ELEMENT)
    assert find_orientation(None, packet) == 7
    assert find_orientation("6", b"") == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_palettes_in_files_are_turned(orientation: int, tmp_path: Path) -> None:
    colors = np.arange(256, dtype=np.uint16)[None].repeat(3, axis=0) * 257
    source = turned_tiff(STORED[..., 0], orientation, b"", photometric="palette", colormap=colors)
    path = tmp_path / "a.tif"
    path.write_bytes(source.getvalue())
    assert np.array_equal(read_image(path).pixels, UPRIGHT[orientation])
