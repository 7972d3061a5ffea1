"""Directories of TIFF and EXIF: tags, with their values as bytes."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
"""Types of values."""
BIGTIFF = 43
"""The version in a BigTIFF's header."""
TYPE_BYTES = {
    BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, 6: 1, UNDEFINED: 1, 8: 2, 9: 4, 10: 8,
    11: 4, 12: 8, 13: 4, LONG8: 8, 17: 8, 18: 8,
}  # fmt: skip


@runtime_checkable
class BinaryFile(Protocol):
    """A file open for reading; `BinaryIO` excludes those of tifffile."""

    def read(self, size: int = ..., /) -> bytes:
        """Read at most `size` bytes."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Move to an offset."""


class Value(NamedTuple):
    """A value as in the file, in its byte order."""

    type: int
    content: bytes


Values = dict[int, Value]
"""Values by tag."""


class Layout(NamedTuple):
    """Layout of all directories of a file."""

    order: str = "<"
    """Byte order: < or >."""
    big: bool = False
    """Whether the file is a BigTIFF."""

    @property
    def pointer(self) -> str:
        """Format of an offset and of a count of values."""
        return "Q" if self.big else "I"

    @property
    def inline(self) -> int:
        """Bytes of a value that is stored in the entry itself."""
        return 8 if self.big else 4

    def numbers(self, format_: str, content: bytes) -> tuple[Any, ...]:
        """Unpack numbers in the byte order of the file."""
        return struct.unpack(self.order + format_, content)

    def pack(self, format_: str, *numbers: int) -> bytes:
        """Pack numbers in the byte order of the file."""
        return struct.pack(self.order + format_, *numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Where a value of a directory is stored."""

    type: int
    at: int
    """Offset of the entry."""
    start: int
    """Offset of the value."""
    length: int
    """Bytes of the value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """The entries of a directory by tag; invalid ones are left out."""

    entries: dict[int, Entry]
    start: int
    end: int
    """Offset after the directory, without values."""
    next: int
    """Offset of the next directory; 0 if there is none."""


def read_header(file: BinaryFile) -> tuple[Layout, int]:
    """(layout, offset of the first directory) of a TIFF or of EXIF.

    Raises:
        ValueError: if it is neither.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError(f"begins with {head[:8]!r} instead of II or MM")
    layout = Layout(order, struct.unpack(f"{order}H", head[2:4])[0] == BIGTIFF)
    return layout, layout.numbers(layout.pointer, head[8:16] if layout.big else head[4:8])[0]


def read_directory(file: BinaryFile, layout: Layout, start: int) -> Directory:
    """Read the entries of a directory; damaged ones, and those outside the file, are left out."""
    end_of_file = file.seek(0, 2)
    width = 8 if layout.big else 2
    file.seek(start)
    head = file.read(width)
    count = layout.numbers("Q" if layout.big else "H", head)[0] if len(head) == width else 0
    size = 20 if layout.big else 12
    count = min(count, max(0, end_of_file - start - width) // size)
    table = file.read(count * size)
    entries: dict[int, Entry] = {}
    for number in range(count):
        row = table[number * size : (number + 1) * size]
        tag, type_, values = layout.numbers(f"HH{layout.pointer}", row[: -layout.inline])
        length = TYPE_BYTES.get(type_, 0) * values
        at = start + width + number * size
        value_at = at + size - layout.inline
        if length > layout.inline:
            value_at = layout.numbers(layout.pointer, row[-layout.inline :])[0]
        if 0 < length <= end_of_file - value_at:
            entries.setdefault(tag, Entry(type=type_, at=at, start=value_at, length=length))
    end = start + width + count * size
    following = file.read(layout.inline)
    next_ = layout.numbers(layout.pointer, following)[0] if len(following) == layout.inline else 0
    return Directory(entries=entries, start=start, end=end, next=next_)


def read_value(file: BinaryFile, entry: Entry) -> Value:
    """Read the value of an entry."""
    file.seek(entry.start)
    return Value(entry.type, file.read(entry.length))


def whole_number(layout: Layout, value: Value) -> int:
    """The first number of a value; 0 if it is not a whole one."""
    format_ = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}.get(value.type)
    if format_ is None:
        return 0
    number: int = layout.numbers(format_, value.content[: struct.calcsize("<" + format_)])[0]
    return number


def swap_order(value: Value) -> Value:
    """The value in the other byte order; texts and undefined bytes stay."""
    width = 4 if value.type in (RATIONAL, 10) else TYPE_BYTES[value.type]
    numbers = np.frombuffer(value.content, f"u{width}")
    return Value(value.type, numbers.byteswap().tobytes())


def pack_directory(values: Mapping[int, Value], layout: Layout, start: int) -> bytes:
    """A directory without successor for the offset `start` of a file, followed by its values."""
    count = "Q" if layout.big else "H"
    size = 20 if layout.big else 12
    end = start + struct.calcsize("<" + count) + len(values) * size + layout.inline
    table, tail = layout.pack(count, len(values)), b""
    for tag, (type_, content) in sorted(values.items()):
        number = len(content) // TYPE_BYTES[type_]
        table += layout.pack(f"HH{layout.pointer}", tag, type_, number)
        if len(content) <= layout.inline:
            table += content.ljust(layout.inline, b"\0")
        else:
            table += layout.pack(layout.pointer, end + len(tail))
            tail += content + b"\0" * (len(content) % 2)
    return table + bytes(layout.inline) + tail
