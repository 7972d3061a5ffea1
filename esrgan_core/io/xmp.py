"""XMP: orientation and sizes, and packets that are larger than a segment of JPEG."""

import hashlib
import re
from html import escape
from xml.dom import minidom
from xml.parsers.expat import ExpatError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NOTE = "http://ns.adobe.com/xmp/note/"
HAS_EXTENSION = "xmpNote:HasExtendedXMP"
HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta>"
LONG_ATTRIBUTE = 100
"""Characters above which an attribute may be moved to an extension."""
WIDTHS = ("tiff:ImageWidth", "exif:PixelXDimension")
HEIGHTS = ("tiff:ImageLength", "exif:PixelYDimension")


PARTS = rb"(?:\w+:(?:MotionPhoto|MicroVideo)|hdrgm:Version)"
"""Properties by which a JPEG of a phone has a video or a gain map after the image."""
OF_PARTS = re.compile(rb"""\s(%s)\s*=\s*["'][^"']*["']|<(%s)>[^<]*</\2>""" % (PARTS, PARTS))


class XmpTooLargeError(ValueError):
    """XMP that cannot be divided into a packet of the required size and an extension."""


def resized_xmp(xmp: bytes, height: int, width: int) -> bytes:
    """XMP of an image of another size, without parts; only sizes that are present are set."""
    xmp = OF_PARTS.sub(b"", xmp)
    for name, size in (dict.fromkeys(WIDTHS, width) | dict.fromkeys(HEIGHTS, height)).items():
        pattern = rf"({name}\s*=\s*[\"']|<{name}>\s*)\d+".encode()
        xmp = re.sub(pattern, rb"\g<1>%d" % size, xmp)
    return xmp


def extension_id(xmp: bytes) -> str:
    """Identifier of the extension that a packet of JPEG refers to; empty if there is none."""
    found = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", xmp)
    return found[1].decode() if found else ""


def join_xmp(xmp: bytes, extension: bytes) -> bytes:
    """One packet of a packet of JPEG and its extension.

    Raises:
        ValueError: if one of them is damaged.
    """
    whole, added = _parse(xmp), _parse(extension)
    root = _root(whole)
    for node in _descriptions(whole):
        if node.hasAttributeNS(NOTE, "HasExtendedXMP"):
            node.removeAttributeNS(NOTE, "HasExtendedXMP")
        for child in node.getElementsByTagNameNS(NOTE, "HasExtendedXMP"):
            node.removeChild(child)
    prefixes = _prefixes(added)
    for node in _descriptions(added):
        for name, uri in prefixes.items():
            node.setAttribute(name, uri)
        root.appendChild(whole.importNode(node, True))
    return _text(whole)


def split_xmp(xmp: bytes, limit: int) -> tuple[bytes, bytes]:
    """A packet of at most `limit` bytes and its extension, which has the largest properties.

    The extension is empty if the packet fits without its padding.

    Raises:
        XmpTooLargeError: if it is damaged, or if many small properties do not fit.
    """
    packet = re.sub(rb"(?<!\s)\s+(?=<\?xpacket end)", b"\n", xmp)
    if len(packet) <= limit:
        return packet, b""
    try:
        whole = _parse(packet)
        nodes = _descriptions(whole)
    except ValueError as error:
        raise XmpTooLargeError(str(error)) from error
    prefixes = _prefixes(whole)
    properties = [(node, part) for node in nodes for part in _properties(whole, node)]
    properties.sort(key=lambda one: len(one[1].toxml().encode()))
    mark = f' xmlns:xmpNote="{NOTE}" {HAS_EXTENSION}="{"0" * 32}"'
    excess = len(_text(whole)) + len(mark) - limit
    moved = ""
    while excess > 0 and properties:
        node, part = properties.pop()
        text = node.removeChild(part).toxml()
        excess -= len(text.encode())
        moved += text
    if excess > 0:
        raise XmpTooLargeError("it is more than its properties")
    names = "".join(f' {name}="{uri}"' for name, uri in prefixes.items() if name != "xmlns:rdf")
    about = f'rdf:about="{escape(nodes[0].getAttribute("rdf:about"))}"'
    extension = f"{HEAD}<rdf:Description {about}{names}>{moved}{TAIL}".encode()
    nodes[0].setAttribute("xmlns:xmpNote", NOTE)
    nodes[0].setAttributeNS(NOTE, HAS_EXTENSION, digest(extension))
    return _text(whole), extension


def digest(extension: bytes) -> str:
    """The identifier of an extension."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()


def _parse(xmp: bytes) -> minidom.Document:
    try:
        return minidom.parseString(xmp.strip(b"\0"))
    except (ExpatError, ValueError) as error:
        raise ValueError(f"it is not valid XML ({error})") from error


def _root(document: minidom.Document) -> minidom.Element:
    if not (found := document.getElementsByTagNameNS(RDF, "RDF")):
        raise ValueError("it has no rdf:RDF")
    return found[0]


def _descriptions(document: minidom.Document) -> list[minidom.Element]:
    root = _root(document)
    return [
        node
        for node in root.childNodes
        if isinstance(node, minidom.Element) and node.localName == "Description"
    ]


def _properties(document: minidom.Document, node: minidom.Element) -> list[minidom.Element]:
    """The elements in a description; long attributes become elements, which are equivalent."""
    for name, value in list(node.attributes.items()):
        if len(value) > LONG_ATTRIBUTE and name.split(":")[0] not in ("xmlns", "rdf", "xml"):
            node.removeAttribute(name)
            node.appendChild(document.createElement(name)).appendChild(
                document.createTextNode(value)
            )
    return [child for child in node.childNodes if isinstance(child, minidom.Element)]


def _prefixes(document: minidom.Document) -> dict[str, str]:
    """All declarations of namespaces."""
    found: dict[str, str] = {}
    for node in document.getElementsByTagName("*"):
        for name, value in node.attributes.items():
            if name.startswith("xmlns:"):
                found[name] = value
    return found


def _text(document: minidom.Document) -> bytes:
    """The document without an XML declaration, which XMP has not."""
    return "".join(node.toxml() for node in document.childNodes).encode()
