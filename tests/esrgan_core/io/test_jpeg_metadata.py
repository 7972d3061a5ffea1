"""Segments of JPEG: XMP and profiles of any size, IPTC, comments."""

import hashlib
import struct
import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
from PIL import Image

from esrgan_core.io.decoded_image import FORMATS, Format
from tests.support.metadata import (
    PIXELS,
    chunks_of,
    converted,
    iptc_of,
    jpeg_with,
    png_with,
    profile_of,
    saved,
    segments_of,
    tagged,
)

MAIN = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XMP, DEPTH, NOTE = (
    "{http://ns.adobe.com/xap/1.0/}",
    "{http://ns.google.com/photos/1.0/depthmap/}",
    "{http://ns.adobe.com/xmp/note/}",
)
LARGE = "Zürich & 'more' <\n" * 10_000


def packet(attributes: str = "", elements: str = "", padding: int = 0) -> bytes:
    """A packet of XMP as programs write it."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"'
        f' xmp:Label="violet" {attributes}>{elements}</rdf:Description>'
        f"</rdf:RDF></x:xmpmeta>{' ' * padding}"
        '<?xpacket end="w"?>'
    ).encode()


def escaped(text: str) -> str:
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), ("'", "&apos;"), ("\n", "&#10;")):
        text = text.replace(sign, name)
    return text


def properties(*xmp: bytes) -> dict[str, str]:
    """Simple properties of packets by name, whether they are attributes or elements."""
    found: dict[str, str] = {}
    for one in xmp:
        for node in ET.fromstring(one).iter(f"{RDF}Description"):
            found |= {name: value for name, value in node.items() if name != f"{RDF}about"}
            found |= {child.tag: child.text or "" for child in node}
    return found


def stored_xmp(jpeg: bytes) -> tuple[bytes, bytes]:
    """(packet, extension), which is checked against its identifier."""
    contents = [content for _, content in segments_of(jpeg)]
    (xmp,) = (one.removeprefix(MAIN) for one in contents if one.startswith(MAIN))
    extension = b""
    parts = [one.removeprefix(EXTENSION) for one in contents if one.startswith(EXTENSION)]
    for part in parts:
        guid, (length, start) = part[:32].decode(), struct.unpack(">II", part[32:40])
        assert start == len(extension)
        extension += part[40:]
    if parts:
        assert length == len(extension)
        assert guid == hashlib.md5(extension).hexdigest().upper()
        assert properties(xmp)[f"{NOTE}HasExtendedXMP"] == guid
    return xmp, extension


def with_extension(elements: str, *, part: int = 65_400, reverse: bool = False) -> bytes:
    """A JPEG with XMP in two packets."""
    extension = packet(elements=elements).split(b"?>", 1)[1].rsplit(b"<?", 1)[0]
    guid = hashlib.md5(extension).hexdigest().upper()
    note = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"'
    starts = range(0, len(extension), part)
    parts = [
        (
            0xE1,
            EXTENSION
            + guid.encode()
            + struct.pack(">II", len(extension), start)
            + extension[start : start + part],
        )
        for start in (reversed(starts) if reverse else starts)
    ]
    return jpeg_with([(0xE1, MAIN + packet(note, "<xmp:Rating>4</xmp:Rating>")), *parts])


def xmp_source(kind: str, xmp: bytes) -> bytes:
    if kind == "png":
        return png_with([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)])
    return saved("WEBP", lossless=True, xmp=xmp)


@pytest.mark.parametrize("source", ["png", "webp"])
@pytest.mark.parametrize(
    "xmp",
    [
        packet(f'GDepth:Data="{escaped(LARGE)}"', "<xmp:Rating>4</xmp:Rating>"),
        packet("", f"<xmp:Rating>4</xmp:Rating><GDepth:Data>{escaped(LARGE)}</GDepth:Data>"),
        packet(f'GDepth:Data="{escaped(LARGE)}"').replace(b'about=""', b'about="&quot;a&quot;"'),
    ],
    ids=["attribute", "element", "quoted subject"],
)
def test_large_xmp_becomes_extended_xmp(source: str, xmp: bytes) -> None:
    data, changes = converted(xmp_source(source, xmp), "jpg")
    main, extension = stored_xmp(data)
    assert main.startswith(b"<?xpacket begin")
    found = properties(main, extension)
    del found[f"{NOTE}HasExtendedXMP"]
    assert found == properties(xmp)
    assert found[f"{DEPTH}Data"] == LARGE
    assert properties(main)[f"{XMP}Label"] == "violet"  # for programs that read the first one only
    assert not changes
    again = properties(*stored_xmp(converted(data, "jpg")[0]))
    del again[f"{NOTE}HasExtendedXMP"]
    assert again == found


def test_padding_is_removed_first() -> None:
    data, changes = converted(xmp_source("png", packet(padding=70_000)), "jpg")
    main, extension = stored_xmp(data)
    assert properties(main) == properties(packet())
    assert (extension, changes) == (b"", ())


def test_many_properties_are_divided() -> None:
    elements = "".join(f"<xmp:P{number}>{'x' * 90}</xmp:P{number}>" for number in range(2000))
    xmp = packet(elements=elements)
    data, _ = converted(xmp_source("png", xmp), "jpg")
    found = properties(*stored_xmp(data))
    assert properties(xmp).items() <= found.items()


@pytest.mark.parametrize("xmp", [b"no XML " * 10_000, b"<a>" + b"b" * 70_000 + b"</a>"])
def test_large_xmp_that_cannot_be_divided_is_dropped_and_reported(xmp: bytes) -> None:
    data, changes = converted(xmp_source("png", xmp), "jpg")
    assert not [one for _, one in segments_of(data) if one.startswith(MAIN)]
    assert len(changes) == 1
    assert f"JPEG cannot hold XMP of {len(xmp)} bytes" in changes[0]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("reverse", [False, True])
def test_extended_xmp_is_joined(format_: Format, reverse: bool) -> None:
    elements = f"<GDepth:Data>{escaped(LARGE)}</GDepth:Data>"
    data, changes = converted(with_extension(elements, reverse=reverse), format_)
    if format_ == "jpg":
        found = properties(*stored_xmp(data))
        del found[f"{NOTE}HasExtendedXMP"]
    else:
        with Image.open(BytesIO(data)) as image:
            image.load()
            found = properties(image.info["xmp"])
    assert found == {f"{XMP}Label": "violet", f"{XMP}Rating": "4", f"{DEPTH}Data": LARGE}
    assert not changes


def test_a_damaged_extension_is_reported() -> None:
    data = with_extension(f"<GDepth:Data>{escaped(LARGE)}</GDepth:Data>")
    data = data.replace(b"Z\xc3\xbcrich", b"Z\xc3\xb6rich", 1)
    data, changes = converted(data, "png")
    assert changes == ("the extended XMP was dropped: its checksum is wrong",)
    assert b"violet" in dict(chunks_of(data))[b"iTXt"]


@pytest.mark.parametrize("length", [128, 65_519, 65_520, 200_000])
def test_a_profile_of_any_size_is_kept(length: int) -> None:
    profile = profile_of(length)
    data, changes = converted(saved("WEBP", icc_profile=profile), "jpg")
    with Image.open(BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile
    assert not changes


def test_a_profile_of_more_than_255_segments_is_dropped_and_reported() -> None:
    data, changes = converted(saved("WEBP", icc_profile=profile_of(255 * 65_519 + 1)), "jpg")
    assert not [one for _, one in segments_of(data) if one.startswith(b"ICC_PROFILE")]
    assert len(changes) == 1
    assert "JPEG cannot hold the ICC profile of 16707346 bytes" in changes[0]


def test_iptc_is_kept_or_reported() -> None:
    keys = {"Iptc.Application2.Caption": "Grüße", "Iptc.Application2.Headline": "x" * 200}
    source = tagged(saved("JPEG"), {}, iptc=keys)
    for format_ in ("jpg", "tif", "png"):
        data, changes = converted(source, format_)
        assert iptc_of(data) == keys
        assert not changes
    _, changes = converted(source, "webp")
    assert changes == ("WebP cannot hold IPTC: dropped",)


def test_iptc_of_several_segments_is_kept() -> None:
    content = b"\x1c\x02\x78\x80\x04" + struct.pack(">I", 100_000) + bytes(100_000)
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(content)) + content + b"\0"
    parts = [resource[at : at + 60_000] for at in range(0, len(resource), 60_000)]
    data, changes = converted(
        jpeg_with([(0xED, b"Photoshop 3.0\0" + part) for part in parts]), "jpg"
    )
    stored = [content.removeprefix(b"Photoshop 3.0\0") for mark, content in segments_of(data)
              if mark == 0xED]  # fmt: skip
    assert len(stored) == 2
    assert b"".join(stored) == resource
    assert not changes


def test_other_resources_of_photoshop_are_reported() -> None:
    path = b"8BIM\x07\xd0\x06path 1\0" + struct.pack(">I", 4) + b"abcd"
    iptc = b"8BIM\x04\x04\0\0" + struct.pack(">I", 6) + b"\x1c\x02\x78\0\x01x"
    source = jpeg_with([(0xED, b"Photoshop 3.0\0" + path + iptc)])
    data, changes = converted(source, "jpg")
    assert iptc_of(data) == {"Iptc.Application2.Caption": "x"}
    assert changes == ("resources of Photoshop were dropped: 2000",)


def test_unknown_segments_are_reported() -> None:
    _, changes = converted(jpeg_with([(0xEB, b"JP\0\1"), (0xEB, b"JP\0\2")]), "jpg")
    assert changes == ("segments of JPEG were dropped: APP11",)


def test_comments_are_kept_or_reported() -> None:
    comments = ["Größe".encode(), "Größe".encode("latin-1"), b"x" * 65_533]
    source = jpeg_with([(0xFE, comment) for comment in comments])
    data, changes = converted(source, "jpg")
    assert [content for marker, content in segments_of(data) if marker == 0xFE] == comments
    assert not changes
    data, changes = converted(source, "png")
    with Image.open(BytesIO(data)) as image:
        image.load()
    texts = [(name, content) for name, content in chunks_of(data) if name in (b"tEXt", b"iTXt")]
    assert texts == [
        (b"iTXt", b"Comment\0\0\0\0\0" + comments[0]),
        (b"tEXt", b"Comment\0" + comments[1]),
        (b"iTXt", b"Comment\0\0\0\0\0" + comments[2]),
    ]
    assert not changes
    for format_, name in (("webp", "WebP"), ("tif", "TIFF")):
        _, changes = converted(source, format_)  # type: ignore[arg-type]
        assert changes == (f"{name} cannot hold texts: dropped comment",)


def test_sizes_in_xmp_are_those_of_the_result() -> None:
    names = "xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/'"
    xmp = packet(
        f"{names} tiff:ImageWidth=\"320\" tiff:ImageLength='240'",
        "<exif:PixelXDimension>320</exif:PixelXDimension>"
        "<exif:PixelYDimension>240</exif:PixelYDimension>",
    )
    data, _ = converted(xmp_source("webp", xmp), "png")
    found = properties(dict(chunks_of(data))[b"iTXt"].removeprefix(b"XML:com.adobe.xmp\0\0\0\0\0"))
    sizes = [value for name, value in found.items() if "Image" in name or "Pixel" in name]
    assert sizes == ["32", "24", "32", "24"]


def test_a_resolution_that_the_file_does_not_state_is_not_written() -> None:
    data, _ = converted(tagged(saved("JPEG"), {"Exif.Image.Make": "Maker"}), "png")
    assert b"pHYs" not in dict(chunks_of(data))


def test_further_images_of_a_phone_are_reported() -> None:
    image = Image.fromarray(PIXELS)
    buffer = BytesIO()
    image.save(buffer, "MPO", save_all=True, append_images=[image.resize((8, 8))])
    _, changes = converted(buffer.getvalue(), "png")
    assert changes == ("further images in the file were dropped: 1",)


def test_long_padding_takes_no_longer_than_other_bytes() -> None:
    # a search at every place of the padding would take hours
    data, _ = converted(xmp_source("webp", packet(padding=10**7)), "webp")
    with Image.open(BytesIO(data)) as image:
        assert properties(image.info["xmp"]) == properties(packet())
