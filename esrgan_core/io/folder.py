"""Image files in folders."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

SUFFIXES = frozenset({
    ".apng", ".avif", ".avifs", ".blp", ".bmp", ".bw", ".cur", ".dds", ".dib", ".gif", ".icb",
    ".icns", ".ico", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf",
    ".jpg", ".jpx", ".mpo", ".msp", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm",
    ".psd", ".qoi", ".ras", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst",
    ".webp", ".xbm", ".xpm",
})  # fmt: skip
"""Of files whose pixels can be read: no drawings, videos, raw photographs or scientific data."""
LISTED = 3
"""Files that a message lists."""
Report = Callable[[str], None]


def find_images(folder: Path, report: Report) -> list[Path]:
    """All image files below `folder` by suffix, sorted, without hidden ones; links are followed.

    `report` gets a line for each reason for which other files were left out.
    """
    found: list[Path] = []
    other: list[Path] = []
    broken: list[Path] = []
    closed: list[Path] = []
    visited: set[Path] = set()
    walk = os.walk(folder, followlinks=True, onerror=lambda error: closed.append(error.filename))
    for here, folders, names in walk:
        real = Path(here).resolve()
        # a link may lead back
        folders[:] = [] if real in visited else [name for name in folders if name[0] != "."]
        for name in [] if real in visited else names:
            path = Path(here, name)
            if name[0] == ".":
                continue
            if is_broken(path):
                broken.append(path)
            elif path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
            else:
                other.append(path)
        visited.add(real)
    report_left_out(report, other, "not an image by its suffix")
    report_left_out(report, broken, "a broken link")
    report_left_out(report, closed, "a folder that cannot be read")
    return sorted(found)


def is_broken(path: Path) -> bool:
    """Whether a link has no target, or none that can be reached."""
    try:
        return not path.exists()
    except OSError:
        return True


def report_left_out(report: Report, left_out: Sequence[object], why: str) -> None:
    """Report how many files are left out, and name the first.

    >>> report_left_out(print, ["a.txt", "c.md", "b.txt", "d.txt"], "not an image")
    4 left out, each not an image: a.txt, b.txt, c.md and 1 more
    """
    if names := sorted(map(str, left_out)):
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        each = "each " if len(names) > 1 else ""
        report(f"{len(names)} left out, {each}{why}: {', '.join(names[:LISTED])}{more}")
