"""Results of earlier runs, which journals list."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from esrgan_core.strict_json import from_json

JOURNAL = ".esrgan-upscaled.jsonl"
S3_RECORDS = ".esrgan"
"""Prefix of the records on S3, below that of the target."""


def read_journal(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of the journal of an output folder by target; none if it has no journal."""
    rows: dict[str, dict[str, Any]] = {}
    path = folder / JOURNAL
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = from_json(line)
            rows[row["target"]] = row
        except (ValueError, KeyError, TypeError):
            continue  # the process was killed while it wrote this line
    return rows


def split_results(
    images: Iterable[Path], root: Path, target: Path
) -> tuple[list[Path], list[Path], list[Path]]:
    """(sources, files in `target`, results of earlier runs) of the images found below `root`.

    Results in `root` are sources again, since the user names it, unless it is also the target.
    """
    output, base = target.resolve(), root.resolve()
    is_inside = output != base and output.is_relative_to(base)
    journal = cache(read_journal)
    sources, own, earlier = list[Path](), list[Path](), list[Path]()
    for image in images:
        folders = image.parents[: len(image.parents) - len(root.parents) - (output != base)]
        if is_inside and image.resolve().is_relative_to(output):
            own.append(image)
        elif any(_is_recorded(image, folder, journal(folder)) for folder in folders):
            earlier.append(image)
        else:
            sources.append(image)
    return sources, own, earlier


def _is_recorded(image: Path, folder: Path, journal: Mapping[str, Mapping[str, Any]]) -> bool:
    row = journal.get(str(image.relative_to(folder)))
    # a killed run has noted no size
    return row is not None and row.get("bytes") in (0, image.stat().st_size)


def recorded_on_s3(paths: Iterable[str], *, with_root: bool) -> set[str]:
    """Paths of the results whose records are among `paths`, below a common prefix.

    `with_root` includes results of which that prefix was the target.
    """
    found = set()
    for path in paths:
        target, marker, name = f"/{path}".rpartition(f"/{S3_RECORDS}/")
        if marker and (target or with_root):
            found.add(f"{target}/{name.removesuffix('.json')}".lstrip("/"))
    return found
