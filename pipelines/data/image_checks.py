"""Every image decoded once: whether it is what it should be, and the figures to judge it by."""

import csv
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from esrgan_core.data.quality_stats import blockiness, contrast, detail_drop
from esrgan_core.files import atomic_path, file_sha256
from esrgan_core.io.inspection import InspectedImage, inspect_image
from esrgan_core.io.luma import luma
from pipelines.data.catalog import CatalogEntry
from pipelines.data.manifest import ManifestRow
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import progress
from pipelines.runtime.redaction import redact

LARGEST = 2048
"""Pixels a side of the middle that quality_stats are looked for in."""
SAMPLES = 1_000_000
"""Pixels that are enough to see whether a image is blank."""
NAMED = 3
"""Images that are named for each cause, where many cannot be used."""
CHECKSUM = re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{64}\b")
"""A place in the cache, which is told so that a file can be put there by hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityStats:
    """What a image's pixels tell of it; figures as in `esrgan_core.data.quality_stats`."""

    path: str
    format: str
    contrast: float
    blockiness: float
    detail_drop: float
    thumbnail: bytes
    """32 x 32 gray pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCheck:
    """What came of checking one image: its line and quality_stats, or what is wrong with it."""

    entry: CatalogEntry
    row: ManifestRow | None = None
    quality_stats: QualityStats | None = None
    problem: str = ""


def check_images(
    entries: list[CatalogEntry], missing: Mapping[str, Exception], folder: Path
) -> list[ImageCheck]:
    """Check the images of an image folder, wherever the work is done: its path is absolute.

    `missing` says by path why some are not there.
    """
    done = [
        ImageCheck(entry=entry, problem=str(missing[entry.path]))
        for entry in entries
        if entry.path in missing
    ]
    tasks = [(entry, folder) for entry in entries if entry.path not in missing]
    with progress("check", len(tasks)) as advance:
        for number, one in enumerate(in_parallel(check_image, tasks), start=1):
            done.append(one)
            advance(number, one.entry.name)
    return done


def check_image(task: tuple[CatalogEntry, Path]) -> ImageCheck:
    """Check one image of an image folder; (its entry, the folder) gives what came of it."""
    entry, folder = task
    path = folder / entry.path
    try:
        sha256 = file_sha256(path)
        if problem := entry.source.expected.problem(path, sha256):
            remedy = "get the original again, or correct the catalog if it was meant to change"
            return ImageCheck(entry=entry, problem=f"{problem}; {remedy}")
        found = inspect_image(path)
        row = ManifestRow(
            path=entry.path,
            kind=entry.kind,
            split=entry.split,
            set=entry.set,
            width=found.width,
            height=found.height,
            mode=found.mode,
            sha256=sha256,
            license=entry.license,
            origin=entry.origin,
            citation=entry.citation,
        )
        return ImageCheck(entry=entry, row=row, quality_stats=_quality_stats(entry.path, found))
    except (OSError, ValueError, MemoryError) as error:
        return ImageCheck(entry=entry, problem=str(error) or type(error).__name__)


def _quality_stats(path: str, found: InspectedImage) -> QualityStats:
    figures = {"contrast": np.nan, "blockiness": 0.0, "detail_drop": 0.0}
    if found.pixels is not None:
        height, width = found.pixels.shape[:2]
        top, left = (max((side - LARGEST) // 2, 0) for side in (height, width))
        middle = luma(found.pixels[top : top + LARGEST, left : left + LARGEST])
        step = max(int((height * width / SAMPLES) ** 0.5), 1)
        figures = {
            "contrast": contrast(luma(found.pixels[::step, ::step])),
            "blockiness": blockiness(middle),
            "detail_drop": detail_drop(middle),
        }
    thumbnail = found.thumbnail.tobytes()
    return QualityStats(path=path, format=found.format, thumbnail=thumbnail, **figures)


def write_quality_stats(path: Path, quality_stats: list[QualityStats]) -> None:
    """Write them as Parquet, sorted by path."""
    rows = [asdict(one) for one in sorted(quality_stats, key=attrgetter("path"))]
    with atomic_path(path) as temporary:
        parquet.write_table(pa.Table.from_pylist(rows), temporary)


def summarize_problems(bad: list[ImageCheck], path: Path) -> list[str]:
    """A line for each cause and host, as where an archive or a host is missing.

    Args:
        bad: the images that cannot be used.
        path: a CSV, which gets each of them if some lines stand for more than are named.
    """
    by_cause: dict[tuple[str, str], list[ImageCheck]] = {}
    for one in bad:
        uri = one.entry.source.uri
        # what names the file itself does not tell its cause from others'
        cause = CHECKSUM.sub("", one.problem).replace(uri, "")
        by_cause.setdefault((urlsplit(uri).netloc, cause), []).append(one)
    lines = []
    for alike in by_cause.values():
        uris = [redact(one.entry.source.uri) for one in alike]
        more = f" and {len(uris) - NAMED} more" if len(uris) > NAMED else ""
        lines.append(f"  {', '.join(uris[:NAMED])}{more}: {redact(alike[0].problem)}")
    if any(len(alike) > NAMED for alike in by_cause.values()):
        write_problems(path, bad)
        lines.append(f"  all of them, with what is wrong, are listed in {path}")
    return lines


def write_skipped(path: Path, bad: list[ImageCheck]) -> None:
    """Say which images are left out and why, and write it as CSV."""
    for one in bad:
        print(f"skipped {one.entry.pair_name}: {redact(one.problem)}", file=sys.stderr)
    write_problems(path, bad)


def write_problems(path: Path, bad: list[ImageCheck]) -> None:
    """Write which images cannot be used, and why, as CSV."""
    rows = [(one.entry.pair_name, redact(one.entry.source.uri), redact(one.problem)) for one in bad]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerows([("image", "uri", "problem"), *rows])
