"""Chunks of PNG: texts, colors, and metadata in texts."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from imagecodecs import png_encode
from PIL import Image, ImageCms

from esrgan_core.io.decoded_image import FORMATS, Format
from esrgan_core.io.reading import read_image
from tests.support.images import png_chunk
from tests.support.metadata import (
    PIXELS,
    chunks_of,
    converted,
    exif_bytes,
    exif_of,
    iptc_of,
    png_with,
    profile_of,
    segments_of,
)

PQ = (b"cICP", bytes((9, 16, 0, 1)))
LIGHT = (b"cLLI", struct.pack(">II", 10_000_000, 4_000_000))
MASTERING = (b"mDCV", bytes(range(24)))
SRGB = (b"sRGB", b"\0")
SRGB_COLORS = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
P3_COLORS = (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
TEXTS = [
    (b"tEXt", b"Title\0caf\xe9"),
    (b"zTXt", b"parameters\0\0" + zlib.compress(b"steps: 20")),
    (b"iTXt", b"Author\0\1\0fr\0Auteur\0" + zlib.compress("Rémi".encode())),
]
SRGB_PROFILE = ImageCms.createProfile("sRGB")
CODING = (b"IHDR", b"IDAT", b"IEND")


def gamma(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", value)


def raw_profile(kind: str, content: bytes) -> tuple[bytes, bytes]:
    """Metadata in a text, as ImageMagick writes it."""
    digits = content.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(content):8}\n{lines}\n".encode()
    return b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text)


@pytest.mark.parametrize("depth", [8, 16])
def test_png_keeps_chunks_of_colors_and_texts(depth: int) -> None:
    data = bytes(png_encode(PIXELS if depth == 8 else PIXELS.astype(np.uint16) * 257))
    chunks = [PQ, LIGHT, MASTERING, gamma(45455), P3_COLORS, SRGB, *TEXTS]
    data, changes = converted(png_with(chunks, data), "png")
    assert [one for one in chunks_of(data) if one[0] not in CODING] == chunks
    assert not changes


def test_texts_after_the_pixels_are_kept() -> None:
    data = png_with([])
    texts = b"".join(png_chunk(*text) for text in TEXTS)
    data, _ = converted(data[:-12] + texts + data[-12:], "png")
    assert [one for one in chunks_of(data) if one[0] not in CODING] == TEXTS


@pytest.mark.parametrize(("format_", "name"), [("jpg", "JPEG"), ("webp", "WebP"), ("tif", "TIFF")])
def test_other_formats_report_texts(format_: Format, name: str) -> None:
    _, changes = converted(png_with(TEXTS), format_)
    assert changes == (f"{name} cannot hold texts: dropped Title, parameters, Author",)


def test_a_message_has_no_control_characters() -> None:
    _, changes = converted(png_with([(b"tEXt", b"\x1b[31mTitle\n\0text")]), "jpg")
    assert changes == ("JPEG cannot hold texts: dropped ?[31mTitle?",)


def test_a_comment_becomes_one_of_jpeg() -> None:
    text = b"Comment\0\1\0\0\0" + zlib.compress("Größe".encode())
    data, changes = converted(png_with([(b"iTXt", text)]), "jpg")
    assert (0xFE, "Größe".encode()) in segments_of(data)
    assert not changes


@pytest.mark.parametrize(("format_", "name"), [("jpg", "JPEG"), ("webp", "WebP"), ("tif", "TIFF")])
@pytest.mark.parametrize(
    ("chunks", "names"),
    [
        ([PQ, LIGHT, MASTERING], "cICP, cLLI, mDCV"),
        ([PQ, gamma(45455), SRGB], "cICP, gAMA, sRGB"),
        ([P3_COLORS], "cHRM"),
        ([gamma(0)], "gAMA"),
    ],
)
def test_other_formats_report_colors_that_they_cannot_hold(
    format_: Format, name: str, chunks: list[tuple[bytes, bytes]], names: str
) -> None:
    _, changes = converted(png_with(chunks), format_)
    expected = f"{name} cannot hold PNG's {names}: dropped, so colors may look different"
    assert changes == (expected,)


@pytest.mark.parametrize("format_", ["jpg", "webp", "tif"])
@pytest.mark.parametrize(
    "chunks",
    [
        [SRGB],
        [gamma(45455)],
        [gamma(45455), SRGB_COLORS],
        [SRGB, gamma(45455), P3_COLORS],
        [(b"cICP", bytes((1, 13, 0, 1)))],
    ],
)
def test_srgb_needs_no_description(format_: Format, chunks: list[tuple[bytes, bytes]]) -> None:
    data, changes = converted(png_with(chunks), format_)
    assert not changes
    assert "icc_profile" not in Image.open(BytesIO(data)).info


def shown(data: bytes) -> np.ndarray:
    """The colors in sRGB, by the file's profile."""
    with Image.open(BytesIO(data)) as image:
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        rgb = ImageCms.profileToProfile(image, profile, SRGB_PROFILE, outputMode="RGB")
    return np.asarray(rgb).astype(float)


def expected(values: np.ndarray, exponent: float | None, to_srgb: np.ndarray) -> np.ndarray:
    """The colors in sRGB, by the definitions of PNG and sRGB; no exponent is sRGB's curve."""
    unit = values / 255
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    linear = ((unit**exponent if exponent else light) @ to_srgb.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded * 255


P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])


@pytest.mark.parametrize("format_", ["webp", "tif"])
@pytest.mark.parametrize(
    ("chunks", "exponent", "to_srgb"),
    [
        ([gamma(100_000)], 1.0, np.eye(3)),
        ([gamma(55_556), SRGB_COLORS], 1.8, np.eye(3)),
        ([gamma(45_455), P3_COLORS], 2.2, P3_TO_SRGB),
        ([(b"cICP", bytes((12, 13, 0, 1))), SRGB], None, P3_TO_SRGB),
    ],
)
def test_colors_become_a_profile(
    format_: Format, chunks: list[tuple[bytes, bytes]], exponent: float | None, to_srgb: np.ndarray
) -> None:
    data, changes = converted(png_with(chunks), format_)
    assert not changes
    assert np.abs(shown(data) - expected(PIXELS, exponent, to_srgb)).max() <= 2.5
    assert converted(png_with(chunks), format_)[0] == data


@pytest.mark.parametrize("format_", ["jpg", "webp", "tif"])
def test_gamma_of_gray_becomes_a_profile(format_: Format) -> None:
    # brighter ones, since Little CMS is imprecise in the darkest gray
    gray = np.repeat(np.repeat(np.arange(20, 256, 5, dtype=np.uint8)[:, None], 8, 0), 8, 1)
    data, changes = converted(png_with([gamma(100_000)], bytes(png_encode(gray))), format_)
    assert changes == (("gray became RGB",) if format_ == "webp" else ())
    assert (
        np.abs(shown(data)[..., 0] - expected(gray[..., None], 1, np.eye(1))[..., 0]).max() <= 2.5
    )


def test_a_profile_is_kept_instead_of_gamma() -> None:
    profile = ImageCms.ImageCmsProfile(SRGB_PROFILE).tobytes()
    icc = (b"iCCP", b"name\0\0" + zlib.compress(profile))
    data, changes = converted(png_with([icc, gamma(100_000)]), "jpg")
    assert Image.open(BytesIO(data)).info["icc_profile"] == profile
    assert not changes


@pytest.mark.parametrize("format_", FORMATS)
def test_metadata_in_texts_is_read(format_: Format) -> None:
    tags = {"Exif.Image.Copyright": "(c) Rémi", "Exif.Image.Orientation": "6"}
    iptc = b"\x1c\x02\x78\0\x07Gr\xc3\xbc\xc3\x9fe"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    chunks = [
        raw_profile("exif", b"Exif\0\0" + exif_bytes(tags)),
        raw_profile("iptc", resource),
        raw_profile("xmp", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>violet</x:xmpmeta>"),
    ]
    data, changes = converted(png_with(chunks), format_)
    assert exif_of(data)["Exif.Image.Copyright"] == "(c) Rémi"
    assert exif_of(data).get("Exif.Image.Orientation", "1") == "1"
    assert b"violet" in data
    with Image.open(BytesIO(data)) as image:
        assert image.size == (24, 32)
    if format_ == "webp":
        assert changes == ("WebP cannot hold IPTC: dropped",)
    else:
        assert iptc_of(data) == {"Iptc.Application2.Caption": "Grüße"}
        assert not changes


def test_compressed_metadata_above_a_megabyte_is_read() -> None:
    random = np.random.default_rng(0)
    xmp = b"<x>" + random.bytes(10**6).hex().encode() + b"</x>"
    profile = profile_of(2 * 10**6)
    chunks = [
        (b"iCCP", b"name\0\0" + zlib.compress(profile)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    ]
    data, changes = converted(png_with(chunks), "webp")
    with Image.open(BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile
        assert image.info["xmp"] == xmp
    assert not changes


def test_unknown_chunks_are_reported() -> None:
    _, changes = converted(png_with([(b"caBX", b"credentials"), (b"tIME", bytes(7))]), "png")
    assert changes == ("chunks of PNG were dropped: caBX",)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_text_is_dropped_and_reported(format_: Format) -> None:
    raw = b"Raw profile type xmp\0\nxmp\n  2\nzz\n"
    data, changes = converted(png_with([(b"zTXt", b"Title\0\0damaged"), (b"tEXt", raw)]), format_)
    assert len(changes) == 2
    assert "the text Title was dropped: a compressed text is damaged" in changes[0]
    assert "the text Raw profile type xmp was dropped" in changes[1]
    read_image(BytesIO(data))
