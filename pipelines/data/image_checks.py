"""Check of each image: its checksum, whether it can be decoded, and its quality statistics."""

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from esrgan_core.data.quality_stats import blockiness, contrast, detail_drop
from esrgan_core.files import atomic_path, file_sha256
from esrgan_core.io.decoding import reason
from esrgan_core.io.inspection import InspectedImage, inspect_image
from esrgan_core.io.luma import luma
from pipelines.data.catalog import DESCRIPTION, CatalogEntry
from pipelines.data.csv_file import write_csv
from pipelines.data.manifest import ManifestRow
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import track
from pipelines.runtime.redaction import redact
from pipelines.sources.checksums import REMEDY

CENTER = 2048
"""Largest side, in pixels, of the center that is measured."""
SAMPLES = 1_000_000
"""Pixels that the contrast is measured on, about."""
LISTED = 3
"""Images that a message lists for each cause."""
CACHE_PATH = re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{64}\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityStats:
    """Quality statistics of one image, as in `esrgan_core.data.quality_stats`."""

    path: str
    format: str
    contrast: float
    blockiness: float
    detail_drop: float
    thumbnail: bytes
    """32 x 32 gray pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCheck:
    """Result of checking one image: its row and statistics, or its problem."""

    entry: CatalogEntry
    row: ManifestRow | None = None
    quality_stats: QualityStats | None = None
    problem: str = ""


def check_images(
    entries: list[CatalogEntry], missing: Mapping[str, Exception], folder: Path
) -> list[ImageCheck]:
    """Check the images of an image folder.

    `missing` has the errors of images that could not be fetched, by path. `folder` is absolute,
    since other machines may share the work.
    """
    checks = [
        ImageCheck(entry=entry, problem=str(missing[entry.path]))
        for entry in entries
        if entry.path in missing
    ]
    present = [entry for entry in entries if entry.path not in missing]
    results = in_parallel(partial(check_image, folder=folder), present)
    return checks + list(track("check", results, [entry.name for entry in present]))


def check_image(entry: CatalogEntry, folder: Path) -> ImageCheck:
    """Check one image of the image folder."""
    path = folder / entry.path
    try:
        sha256 = file_sha256(path)
        if mismatch := entry.source.expected.mismatch(path, sha256):
            return ImageCheck(entry=entry, problem=f"{mismatch}; {REMEDY}")
        found = inspect_image(path)
        described = {name: getattr(entry, name) for name in ("path", "kind", *DESCRIPTION)}
        row = ManifestRow(
            width=found.width, height=found.height, mode=found.mode, sha256=sha256, **described
        )
        return ImageCheck(entry=entry, row=row, quality_stats=_measure(entry.path, found))
    except Exception as error:
        return ImageCheck(entry=entry, problem=reason(error))


def find_problem(path: Path) -> str:
    """Why an image cannot be decoded; "" if it can."""
    try:
        inspect_image(path)
    except Exception as error:
        return reason(error)
    return ""


def _measure(path: str, found: InspectedImage) -> QualityStats:
    stats = {"contrast": np.nan, "blockiness": 0.0, "detail_drop": 0.0}
    if found.pixels is not None:
        height, width = found.pixels.shape[:2]
        top, left = (max((side - CENTER) // 2, 0) for side in (height, width))
        center = luma(found.pixels[top : top + CENTER, left : left + CENTER])
        step = max(int((height * width / SAMPLES) ** 0.5), 1)
        stats = {
            "contrast": contrast(luma(found.pixels[::step, ::step])),
            "blockiness": blockiness(center),
            "detail_drop": detail_drop(center),
        }
    thumbnail = found.thumbnail.tobytes()
    return QualityStats(path=path, format=found.format, thumbnail=thumbnail, **stats)


def write_quality_stats(path: Path, quality_stats: list[QualityStats]) -> None:
    """Write the statistics as Parquet, sorted by path."""
    rows = [asdict(stats) for stats in sorted(quality_stats, key=attrgetter("path"))]
    with atomic_path(path) as temporary:
        parquet.write_table(pa.Table.from_pylist(rows), temporary)


def summarize_problems(bad: list[ImageCheck], path: Path) -> list[str]:
    """One line for each cause and host, which lists some of the images.

    `path` is a CSV file, which is written with all bad images if the lines omit some.
    """
    by_cause: dict[tuple[str, str], list[ImageCheck]] = {}
    for check in bad:
        uri = str(check.entry.source.location)
        # the same cause for all images, except for the URI and the path in the cache
        cause = CACHE_PATH.sub("", check.problem).replace(uri, "")
        by_cause.setdefault((urlsplit(uri).netloc, cause), []).append(check)
    lines = []
    for checks in by_cause.values():
        uris = [redact(str(check.entry.source.location)) for check in checks]
        more = f" and {len(uris) - LISTED} more" if len(uris) > LISTED else ""
        lines.append(f"  {', '.join(uris[:LISTED])}{more}: {redact(checks[0].problem)}")
    if any(len(checks) > LISTED for checks in by_cause.values()):
        write_problems(path, bad)
        lines.append(f"  {path} lists all of them")
    return lines


def write_skipped(path: Path, bad: list[ImageCheck]) -> None:
    """Print which images are skipped and why, and write them as CSV."""
    for check in bad:
        print(f"skipped {check.entry.pair_name}: {redact(check.problem)}", file=sys.stderr)
    write_problems(path, bad)


def write_problems(path: Path, bad: list[ImageCheck]) -> None:
    """Write the problems of bad images as CSV."""
    rows = [
        {
            "image": check.entry.pair_name,
            "uri": redact(str(check.entry.source.location)),
            "problem": redact(check.problem),
        }
        for check in bad
    ]
    write_csv(path, ("image", "uri", "problem"), rows)
