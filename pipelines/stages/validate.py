"""Great Expectations over the images; errors stop the pipeline, warnings are printed."""

import sys
from dataclasses import asdict, dataclass

import pandas as pd

from pipelines.config.artifacts import IMAGES, MANIFEST, QUALITY_STATS, VALIDATION_REPORT
from pipelines.data.config import ValidationRules
from pipelines.data.expectations import validate, write_report
from pipelines.data.image_table import image_table, load_accepted, save_accepted
from pipelines.data.lr_checks import check_provided_lr
from pipelines.data.manifest import BadImagesError, current_sha256, pair_with_lr, read_manifest
from pipelines.reports.data_docs import write_data_docs
from pipelines.runtime.parallel import in_parallel
from pipelines.stages.runner import run_stage

PRINTED = 20
"""Warnings that are printed; the page has all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    skip_bad: bool
    validate: ValidationRules


def run(params: Params) -> None:
    """Write `report.json` and `docs/index.html`; raise an error that lists every bad image."""
    rows = read_manifest(MANIFEST)
    quality_stats = pd.read_parquet(QUALITY_STATS)
    images = IMAGES.absolute()
    pairs = check_provided_lr(pair_with_lr(rows), images, params.scale)
    manifest = pd.DataFrame([asdict(row) for row in rows])
    frame = image_table(manifest, quality_stats, pairs, params.scale)
    frame["sha256_now"] = list(
        in_parallel(current_sha256, [images / path for path in frame["path"]])
    )
    before = load_accepted(frame)
    results = validate(frame, params.validate, before)
    excluded = write_report(VALIDATION_REPORT, results, frame)
    docs = VALIDATION_REPORT.parent / "docs" / "index.html"
    write_data_docs(docs, results, frame, before)
    warnings = [issue for result in results for issue in result.issues if not issue.is_error]
    for issue in warnings[:PRINTED]:
        print(f"warning:{issue}", file=sys.stderr)
    if len(warnings) > PRINTED:
        print(f"and {len(warnings) - PRINTED} more warnings, listed on the page", file=sys.stderr)
    good = frame[~frame["path"].isin(excluded)]
    if excluded and params.skip_bad:
        for issue in (issue for o in results for issue in o.issues if issue.is_error):
            print(f"skipped:{issue}", file=sys.stderr)
        # without them the others may be too few
        results = validate(good, params.validate, before)
    if issues := [issue for result in results for issue in result.issues if issue.is_error]:
        raise BadImagesError([*map(str, issues), f"all of it as a page: {docs}"])
    save_accepted(good)
    print(f"{len(good)} images meet every expectation; all of it as a page: {docs}")


if __name__ == "__main__":
    run_stage("validate", Params, run)
