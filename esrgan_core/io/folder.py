"""Image files in folders."""

import os
from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder` by suffix, sorted, without hidden ones; links are followed."""
    found: list[Path] = []
    visited: set[Path] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = Path(here).resolve()
        # a link may lead back
        folders[:] = [] if real in visited else [name for name in folders if name[0] != "."]
        if real not in visited:
            paths = (Path(here) / name for name in names if name[0] != ".")
            found += [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
        visited.add(real)
    return sorted(found)
