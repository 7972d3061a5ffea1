"""A run per evaluated model, with equal metric names, which the UI can compare and search."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from esrgan_core.data.pairs import PairEntry, PairStore
from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import FINETUNED, PAIRS, START, generator_path
from pipelines.runtime.run_record import RunRecord
from pipelines.runtime.tables import read_table
from pipelines.tracking import client as store
from pipelines.tracking.uploader import log_images

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

WEIGHTS = {"pretrained": START, "finetuned": FINETUNED}
"""The weights of a model that has not the name of a stage."""


def publish_models(
    folder: Path, record: RunRecord, parent: str, key: str, tags: Mapping[str, str]
) -> None:
    """Log the metrics, table, crops, test sets and weights of each model that lacks them.

    `folder` has the results of the stage, `key` identifies them; `tags` mark a complete run.
    """
    results = from_json((folder / "metrics.json").read_text(encoding="utf-8"))
    frame = read_table(folder / "per_image.csv")
    test_sets = _test_sets()
    for model, sets in results.items():
        own = {store.RUN_TAG: record.run, store.STAGE_TAG: "model", store.MODEL_TAG: model}
        own["esrgan.evaluation"] = key
        if store.find_run({**own, store.STATE_TAG: "complete"}) is not None:
            continue
        run_id = store.get_or_create_run(f"{model} ({record.run})", own, parent)
        store.log_params(run_id, {"model": model})
        store.client().log_inputs(run_id, list(test_sets.values()))
        table = frame[frame["model"] == model].drop(columns="model")
        _log_table(run_id, table, f"per_image_{key[:8]}.json")
        model_id = _log_weights(model, run_id)
        points = []
        for set_name, values in sets.items():
            dataset = test_sets[set_name].dataset if set_name in test_sets else None
            origin = (dataset.name, dataset.digest) if dataset else (None, None)
            prefix = store.sanitize_name(set_name)
            points += [
                (f"{prefix}/{name}", value, record.ended, 0, model_id, *origin, run_id)
                for name, value in values.items()
            ]
        store.log_metrics(run_id, points)
        # the same keys in every model's run, which the UI shows as a grid
        crops = {
            f"{store.sanitize_name(path.parent.name)}/{store.sanitize_name(path.stem)}": path
            for path in sorted((folder / "report" / "crops" / model).glob("*/*.png"))
        }
        log_images(run_id, crops, 0, record.ended)
        store.client().set_terminated(run_id, "FINISHED")
        store.set_tags(run_id, tags)


def _log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Log a table as `MlflowClient.log_table` does, which would append its rows again."""
    store.client().log_text(run_id, table.to_json(orient="split", index=False), name)
    logged = to_json([{"path": name, "type": "table"}])
    store.client().set_tag(run_id, "mlflow.loggedArtifacts", logged)


def _test_sets() -> "dict[str, DatasetInput]":
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    sets: dict[str, list[PairEntry]] = {}
    for entry in PairStore(PAIRS).entries:
        if entry.split == "test":
            sets.setdefault(entry.set, []).append(entry)
    inputs = {}
    for name, pairs in sets.items():
        hashes = "".join(entry.hr_sha256 + entry.lr_sha256 for entry in pairs)
        dataset = Dataset(
            name=name,
            digest=hashlib.sha256(hashes.encode()).hexdigest()[:32],  # MLflow accepts 36
            source_type="local",
            source=to_json({"uri": str(PAIRS)}),
            profile=to_json({"num_rows": len(pairs)}),
        )
        inputs[name] = DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])
    return inputs


def _log_weights(model: str, run_id: str) -> str | None:
    """Log the weights of a model, if it has any, so that metrics find them; return their id."""
    weights = WEIGHTS.get(model, generator_path(model))
    if not weights.is_file():
        return None
    tags = {"weights.sha256": file_sha256(weights)}
    logged = store.get_or_create_logged_model(model, run_id, tags, "generator")
    store.client().log_model_artifact(logged.model_id, str(weights))
    store.client().finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)
