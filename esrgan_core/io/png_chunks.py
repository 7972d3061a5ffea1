"""Chunks of PNG: texts, descriptions of colors, and metadata in texts."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import PngImagePlugin

from esrgan_core.io.ifd import BinaryFile

MAX_TEXT = 2**26
"""Bytes of a decompressed text or profile."""
# of a single text, too: Pillow rejects images with a compressed XMP or ICC of more than 1 MB
PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT
XMP_KEYWORD = b"XML:com.adobe.xmp"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLORS = (b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB")
"""Descriptions of colors other than an ICC profile."""
USED = (
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sPLT", b"sBIT", b"tIME",
    b"pHYs", b"eXIf", b"iCCP", b"acTL", b"fcTL", b"fdAT", b"iDOT", *TEXTS, *COLORS,
)  # fmt: skip
"""Chunks that are read, or that describe the pixels of the file."""


class Chunk(NamedTuple):
    """A chunk of a PNG."""

    name: bytes
    content: bytes

    @property
    def keyword(self) -> bytes:
        """Keyword of a text."""
        return self.content.split(b"\0", 1)[0]

    @property
    def title(self) -> str:
        """The keyword for messages; a damaged one may contain anything."""
        title = self.keyword[:79].decode("latin-1")
        return "".join(sign if sign.isprintable() else "?" for sign in title)


def read_chunks(file: BinaryFile) -> Iterator[Chunk]:
    """The chunks of a PNG other than its pixels; a damaged one ends them."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            file.seek(length + 4, 1)
            continue
        content = file.read(length)
        if file.read(4) != struct.pack(">I", zlib.crc32(name + content)):
            return
        yield Chunk(name, content)


def pack_chunk(name: bytes, content: bytes) -> bytes:
    """The bytes of a chunk."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def text_of(chunk: Chunk) -> bytes:
    """The decompressed text of a tEXt, zTXt or iTXt.

    Raises:
        ValueError: if it is damaged, or longer than `MAX_TEXT`.
    """
    _, _, rest = chunk.content.partition(b"\0")
    match chunk.name:
        case b"tEXt":
            return rest
        case b"zTXt":
            return _decompress(rest[1:])
        case _:
            # a flag and a method of compression, a language and a translated keyword
            text = rest[2:].split(b"\0", 2)[-1]
            return _decompress(text) if rest[:1] == b"\1" else text


def raw_profile(chunk: Chunk) -> tuple[str, bytes] | None:
    """(kind, content) of metadata that ImageMagick has written as text; None for other texts."""
    if not chunk.keyword.startswith(b"Raw profile type "):
        return None
    kind = chunk.keyword.rsplit(b" ", 1)[1].decode("latin-1").lower()
    # a line with the kind, a line with the length, hexadecimal digits in lines
    digits = re.sub(rb"\s", b"", b"".join(text_of(chunk).strip().split(b"\n")[2:]))
    return kind, bytes.fromhex(digits.decode("ascii"))


def pack_raw_profile(kind: str, content: bytes) -> Chunk:
    """Metadata as the text that ImageMagick, exiv2 and ExifTool read."""
    digits = content.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(content):8}\n{lines}\n".encode()
    return Chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text))


def comment_chunk(comment: bytes) -> Chunk:
    """A comment of JPEG as text; tEXt is Latin-1, iTXt is UTF-8."""
    try:
        comment.decode("utf-8")
    except UnicodeDecodeError:
        return Chunk(b"tEXt", b"Comment\0" + comment)
    return Chunk(b"iTXt", b"Comment\0\0\0\0\0" + comment)


def _decompress(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_TEXT)
    except zlib.error as error:
        raise ValueError(f"a compressed text is damaged ({error})") from error
    if stream.unconsumed_tail:
        raise ValueError(f"a text has more than {MAX_TEXT} bytes")
    return text
