"""Great Expectations over the images; a fault stops the pipeline, a remark is told."""

import sys
from dataclasses import asdict, dataclass

import pandas as pd

from pipelines.config.artifacts import IMAGES, MANIFEST, QUALITY_STATS, VALIDATION_REPORT
from pipelines.data.config import ValidateConfig
from pipelines.data.drift import accept, last_accepted
from pipelines.data.expectations import Outcome, ValidationRules, validate, write_report
from pipelines.data.image_table import image_table
from pipelines.data.lr_checks import examine_all
from pipelines.data.manifest import BadImagesError, read_manifest, sha256_now, with_provided_lr
from pipelines.reports.data_docs import write_docs
from pipelines.runtime.parallel import in_parallel
from pipelines.stages.runner import launch

TOLD = 20
"""Remarks that are printed; the page has all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    skip_bad: bool
    validate: ValidateConfig


def run(params: Params) -> None:
    """Leave `report.json` and `docs/index.html`, or stop with every fault."""
    rows = read_manifest(MANIFEST)
    quality_stats = pd.read_parquet(QUALITY_STATS)
    images = IMAGES.absolute()
    pairs = examine_all(with_provided_lr(rows), images, params.scale)
    manifest = pd.DataFrame([asdict(row) for row in rows])
    frame = image_table(manifest, quality_stats, pairs, params.scale)
    frame["sha256_now"] = list(in_parallel(sha256_now, [images / path for path in frame["path"]]))
    before = last_accepted(frame)
    demands = ValidationRules(accepted=before, **asdict(params.validate))
    outcomes = validate(frame, demands)
    excluded = write_report(VALIDATION_REPORT, outcomes, frame)
    docs = VALIDATION_REPORT.parent / "docs" / "index.html"
    write_docs(docs, outcomes, frame, before)
    _tell_remarks(outcomes)
    good = frame[~frame["path"].isin(excluded)]
    if excluded and params.skip_bad:
        for fault in (fault for o in outcomes for fault in o.faults if fault.blocking):
            print(f"skipped{fault}", file=sys.stderr)
        # without them the others may be too few
        outcomes = validate(good, demands)
    if faults := [fault for outcome in outcomes for fault in outcome.faults if fault.blocking]:
        raise BadImagesError([*map(str, faults), f"all of it as a page: {docs}"])
    accept(good)
    print(f"{len(good)} images meet every expectation; all of it as a page: {docs}")


def _tell_remarks(outcomes: list[Outcome]) -> None:
    remarks = [fault for outcome in outcomes for fault in outcome.faults if not fault.blocking]
    for fault in remarks[:TOLD]:
        print(f"remark{fault}", file=sys.stderr)
    if len(remarks) > TOLD:
        print(f"and {len(remarks) - TOLD} remarks more, on the page", file=sys.stderr)


if __name__ == "__main__":
    launch("validate", Params, run)
