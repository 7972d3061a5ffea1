"""Great Expectations over the manifest; a failed one stops the pipeline and names the files."""

from dataclasses import dataclass

import pandas as pd
from joblib import Parallel, delayed

from pipelines.images import BadPicturesError, read_manifest, recheck
from pipelines.launch import launch
from pipelines.paths import IMAGES, MANIFEST, VALIDATION_REPORT
from pipelines.validation import picture_frame, validate


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidateConfig:
    """Section `validate`."""

    min_side: int
    """Pixels that the shorter side must have after cropping: the HR patch, or two NIQE blocks."""
    modes: list[str]
    """Picture modes in Pillow's words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    validate: ValidateConfig


def run(params: Params) -> None:
    """Leave `report.json` and `docs/index.html`, or stop with every fault."""
    manifest = read_manifest(MANIFEST)
    rechecked = Parallel(n_jobs=-1)(delayed(recheck)(IMAGES / path) for path in manifest["path"])
    docs = VALIDATION_REPORT.parent / "docs"
    faults = validate(
        picture_frame(manifest, pd.DataFrame(rechecked), params.scale),
        min_side=params.validate.min_side,
        modes=params.validate.modes,
        report=VALIDATION_REPORT,
        docs=docs,
    )
    if faults:
        raise BadPicturesError([*map(str, faults), f"all of it as a page: {docs}/index.html"])
    print(f"{len(manifest)} pictures meet every expectation")


if __name__ == "__main__":
    launch("validate", Params, run)
