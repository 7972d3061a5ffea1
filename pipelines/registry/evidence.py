"""The evidence that a decision about a model is based on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from esrgan_core.data.pairs import PairEntry, PairStore
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ARTIFACTS, EVALUATION_METRICS, PAIRS
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.registry.reference_check import find_mismatches
from pipelines.runtime.tables import read_table
from pipelines.tracking.model_files import read_evidence
from pipelines.tracking.model_registry import ModelVersion

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
STORED_KEYS = {"images": "pictures", "health_warnings": "alarms", "mismatches": "departures"}
"""Keys of stored evidence that differ from the names of the fields."""
MEASUREMENT_VERSION = 1
"""Increased with every change that gives other values for the same images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a decision is based on; stored with the model version."""

    results: Results
    """Metrics by model and set, as in `metrics.json`."""
    evaluation: str
    """Hash of the test pairs, their sets and the metrics; results are comparable if it is equal."""
    alpha: float
    images: Sequence[Mapping[Any, Any]] = ()
    """Metrics per image of the pretrained and the interpolated network."""
    health_warnings: Sequence[str] = ()
    """Of both training stages, like `finetune: color_drift`."""
    mismatches: Sequence[str] = ()
    """Where resize and metrics differ from their reference values."""

    def to_dict(self) -> dict[str, Any]:
        """The evidence as it is stored."""
        return {STORED_KEYS.get(name, name): value for name, value in asdict(self).items()}


def load_evidence(version: ModelVersion) -> Evidence | None:
    """The evidence of a version; None if it has no readable one."""
    if (content := read_evidence(version)) is None:
        return None
    names = {key: name for name, key in STORED_KEYS.items()}
    return Evidence(**{names.get(key, key): value for key, value in content.items()})


def collect_evidence() -> Evidence:
    """Collect the evidence for the model in `artifacts/`."""
    test = [entry for entry in PairStore(PAIRS).entries if entry.split == "test"]
    results = from_json(EVALUATION_METRICS.read_text(encoding="utf-8"))
    frame = read_table(EVALUATION_METRICS.with_name("per_image.csv"))
    images = frame[frame["model"].isin(["pretrained", "interpolated"])]
    trainings = {
        stage: from_json((ARTIFACTS / stage / "metrics.json").read_text(encoding="utf-8"))
        for stage in ("pretrain", "finetune")
    }
    return Evidence(
        results=results,
        evaluation=evaluation_hash(results, test),
        alpha=read_choice().alpha,
        images=images.to_dict("records"),
        health_warnings=[
            f"{stage}: {warning['name']} at step {warning['step']}: {warning['evidence']}"
            for stage, content in trainings.items()
            for warning in content["alarms"]
        ],
        mismatches=find_mismatches(),
    )


def evaluation_hash(results: Results, test: Sequence[PairEntry]) -> str:
    """Hash of the names of the metrics, and of the test pairs with their names and sets."""
    metrics = sorted({name for sets in results.values() for row in sets.values() for name in row})
    pairs = [[pair.set, pair.name, pair.hr_sha256, pair.lr_sha256] for pair in test]
    return hashlib.sha256(to_json([MEASUREMENT_VERSION, metrics, pairs]).encode()).hexdigest()
