"""Download the images of `data/`, check them, and list them in a manifest."""

import sys
from dataclasses import dataclass

from pipelines.config.artifacts import DATA, IMAGES, MANIFEST, QUALITY_STATS, SKIPPED
from pipelines.config.errors import is_transient
from pipelines.data.catalog import SPLITS
from pipelines.data.config import DownloadConfig
from pipelines.data.download import fetch_all
from pipelines.data.image_checks import (
    check_images,
    summarize_problems,
    write_quality_stats,
    write_skipped,
)
from pipelines.data.local_folder import load_catalog
from pipelines.data.manifest import BadImagesError, UnreachableImagesError, write_manifest
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.state import state_root
from pipelines.sources.resolve import forget_unpinned
from pipelines.stages.runner import run_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    skip_bad: bool
    download: DownloadConfig


def run(params: Params) -> None:
    """Write `artifacts/images/` and its manifest; raise an error that lists every bad image."""
    found = load_catalog(DATA, params.download.catalogs, params.scale)
    catalog = found.exclude(params.download.exclude).select_lr(
        params.scale if params.download.lr == "provided" else None
    )
    unused = sum(entry.kind != "hr" for entry in found.entries)
    if unused and params.download.lr == "made":
        print(f"{unused} LR images are not used; LR is made (download.lr)", file=sys.stderr)
    remove_tree(IMAGES)
    missing = fetch_all(catalog, IMAGES)
    checked = check_images(catalog.entries, missing, IMAGES.absolute())
    bad = [one for one in checked if one.problem]
    for one in bad:
        forget_unpinned(one.entry.source)
    # a bad image excludes its pair
    bad_pairs = {one.entry.pair_name for one in bad}
    good = [one for one in checked if one.entry.pair_name not in bad_pairs]
    if bad and not (params.skip_bad and good):
        problems = summarize_problems(bad, state_root() / "unusable_pictures.csv")
        is_reachable = not any(map(is_transient, missing.values()))
        raise BadImagesError(problems) if is_reachable else UnreachableImagesError(problems)
    for one in checked:
        if one.entry.pair_name in bad_pairs:
            (IMAGES / one.entry.path).unlink(missing_ok=True)
    write_manifest(MANIFEST, [one.row for one in good if one.row])
    write_quality_stats(QUALITY_STATS, [one.quality_stats for one in good if one.quality_stats])
    write_skipped(SKIPPED, bad)
    hr = [one.entry.split for one in good if one.entry.kind == "hr"]
    counts = {split: hr.count(split) for split in SPLITS}
    print(f"{len(hr)} images {counts}, {len(good) - len(hr)} provided LR, {len(bad)} skipped")


if __name__ == "__main__":
    run_stage("download", Params, run)
