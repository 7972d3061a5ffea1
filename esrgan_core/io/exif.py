"""EXIF: bytes that pass unchanged, except for orientation, sizes and thumbnail."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO

from esrgan_core.io.ifd import (
    LONG,
    SHORT,
    BinaryFile,
    Directory,
    Layout,
    Value,
    Values,
    pack_directory,
    read_directory,
    read_header,
    read_value,
    swap_order,
    whole_number,
)

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
WIDTH_TAG, HEIGHT_TAG = 0xA002, 0xA003
WIDTHS, HEIGHTS = (0x0100, WIDTH_TAG, 0x1001), (0x0101, HEIGHT_TAG, 0x1002)
"""Tags that hold a size of the image: of TIFF, of EXIF and of its interoperability directory."""
POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exif:
    """The values of all directories."""

    layout: Layout
    main: Values = field(default_factory=dict)
    exif: Values = field(default_factory=dict)
    gps: Values = field(default_factory=dict)
    interop: Values = field(default_factory=dict)


def read_exif(
    file: BinaryFile, layout: Layout, start: int, only: Collection[int] | None = None
) -> Exif:
    """Read the directory at an offset of a TIFF or of EXIF, and those that it refers to.

    `only` limits the tags of the first directory, which may hold pixels.
    """
    found = {
        pointer: {
            tag: read_value(file, entry)
            for tag, entry in directory.entries.items()
            if tag not in POINTERS and (pointer or only is None or tag in only)
        }
        for pointer, directory in _directories(file, layout, start)
    }
    return Exif(
        layout=layout,
        main=found[0],
        exif=found.get(EXIF_IFD, {}),
        gps=found.get(GPS_IFD, {}),
        interop=found.get(INTEROP_IFD, {}),
    )


def parse_exif(exif: bytes) -> Exif:
    """Read the bytes of EXIF.

    Raises:
        ValueError: if they do not begin like a TIFF.
    """
    file = BytesIO(exif)
    return read_exif(file, *read_header(file))


def pack_exif(exif: Exif) -> bytes:
    """The bytes of EXIF without gaps and without thumbnail."""
    order = exif.layout.order
    layout = Layout(order)
    # the offset of the first directory is that after the header
    header = {"<": b"II", ">": b"MM"}[order] + layout.pack("HI", 42, 8)
    if not (exif.exif or exif.gps or exif.interop):
        return header + pack_directory(exif.main, layout, 8)
    # pointers are stored in the entries, so that the length does not depend on their values
    blank = pack_directory(_with_pointers(exif, layout, {}), layout, 8)
    tail, offsets = pack_inner(exif, layout, 8 + len(blank))
    return header + pack_directory(_with_pointers(exif, layout, offsets), layout, 8) + tail


def little_endian(exif: Exif) -> Exif:
    """The same in the byte order of Intel."""
    if exif.layout.order == "<":
        return exif
    directories = (exif.main, exif.exif, exif.gps, exif.interop)
    main, inner, gps, interop = (
        {tag: swap_order(value) for tag, value in values.items()} for values in directories
    )
    return Exif(layout=Layout("<"), main=main, exif=inner, gps=gps, interop=interop)


def _with_pointers(exif: Exif, layout: Layout, offsets: Mapping[int, int]) -> Values:
    present = {EXIF_IFD: exif.exif or exif.interop, GPS_IFD: exif.gps}
    pointers = {
        tag: Value(LONG, layout.pack("I", offsets.get(tag, 0)))
        for tag, values in present.items()
        if values
    }
    return exif.main | pointers


def pack_inner(exif: Exif, layout: Layout, start: int) -> tuple[bytes, dict[int, int]]:
    """Pack all directories but the first for the offset `start` of a file.

    Returns:
        The bytes, and the offsets of the directories by the tag that points to each.
    """
    packed, offsets = b"", {}
    inner = exif.exif
    if exif.interop:
        packed += pack_directory(exif.interop, layout, start)
        type_, format_ = (16, "Q") if layout.big else (LONG, "I")
        inner = inner | {INTEROP_IFD: Value(type_, layout.pack(format_, start))}
    for tag, values in ((EXIF_IFD, inner), (GPS_IFD, exif.gps)):
        if values:
            offsets[tag] = start + len(packed)
            packed += pack_directory(values, layout, offsets[tag])
    return packed, offsets


def set_numbers(exif: bytes, numbers: Mapping[int, int]) -> bytes:
    """Set whole numbers of tags that are present; all other bytes stay where they are.

    Raises:
        ValueError: if the bytes do not begin like a TIFF.
    """
    file = BytesIO(exif)
    layout, start = read_header(file)
    for _, directory in list(_directories(file, layout, start)):
        for tag in numbers.keys() & directory.entries.keys():
            entry, number = directory.entries[tag], numbers[tag]
            short = entry.type != LONG and number < 2**16
            file.seek(entry.at + 2)
            file.write(
                layout.pack("HIHH", SHORT, 1, number, 0)
                if short
                else layout.pack("HII", LONG, 1, number)
            )
    return file.getvalue()


def upright_exif(exif: bytes) -> bytes:
    """EXIF of an image whose orientation has been applied, without the thumbnail.

    Raises:
        ValueError: if the bytes do not begin like a TIFF.
    """
    return _without_thumbnail(set_numbers(exif, {ORIENTATION: 1}))


def resized_exif(exif: bytes, height: int, width: int) -> bytes:
    """EXIF of an image of another size; only tags that are present are set."""
    return set_numbers(exif, dict.fromkeys(WIDTHS, width) | dict.fromkeys(HEIGHTS, height))


def _directories(file: BinaryFile, layout: Layout, start: int) -> Iterator[tuple[int, Directory]]:
    """The first directory as 0, and those that it refers to, by the tag that points to each."""
    waiting, seen = [(0, start)], set()
    while waiting:
        pointer, offset = waiting.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        directory = read_directory(file, layout, offset)
        yield pointer, directory
        waiting += [
            (tag, whole_number(layout, read_value(file, directory.entries[tag])))
            for tag in POINTERS
            if tag in directory.entries
        ]


def _without_thumbnail(exif: bytes) -> bytes:
    """Blank the second directory and what it refers to; at the end of EXIF, cut it off."""
    file = BytesIO(exif)
    layout, start = read_header(file)
    kept = [part for _, one in _directories(file, layout, start) for part in _parts(one)]
    first = read_directory(file, layout, start)
    if not first.next:
        return exif
    second = read_directory(file, layout, first.next)
    parts = _parts(second)
    for offset_tag, length_tag in ((0x0201, 0x0202), (0x0111, 0x0117)):
        if {offset_tag, length_tag} <= second.entries.keys():
            offset, length = (
                whole_number(layout, read_value(file, second.entries[tag]))
                for tag in (offset_tag, length_tag)
            )
            parts.append((offset, offset + length))
    data = bytearray(exif)
    data[first.end : first.end + 4] = bytes(4)
    for begin, end in parts:
        if any(begin < other_end and other_begin < end for other_begin, other_end in kept):
            continue
        data[begin:end] = bytes(max(0, min(end, len(data)) - begin))
    used = max(end for _, end in kept)
    return bytes(data[:used] + data[used:].rstrip(b"\0"))


def _parts(directory: Directory) -> list[tuple[int, int]]:
    """Ranges of bytes of a directory and its values."""
    values = [(entry.start, entry.start + entry.length) for entry in directory.entries.values()]
    # the offset of the next directory follows the entries
    return [(directory.start, directory.end + 4), *values]
