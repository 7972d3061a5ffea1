"""A run per evaluated model, with equal metric names, which the UI can compare and search."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from esrgan_core.data.pairs import PairEntry, PairStore
from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import PAIRS, generator_path
from pipelines.runtime.run_record import RunRecord
from pipelines.runtime.tables import read_table
from pipelines.tracking.client import (
    MODEL_TAG,
    RUN_TAG,
    STAGE_TAG,
    STATE_TAG,
    client,
    find_run,
    get_or_create_logged_model,
    get_or_create_run,
    log_metrics,
    log_params,
    sanitize_name,
)
from pipelines.tracking.images import log_images

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, RunTag

TRAINING_STAGES = {"pretrained": "pretrain", "finetuned": "finetune"}
"""Training stage of a model, if its name is different."""
DIGEST_LENGTH = 32
"""Digits of the hash of a test set; MLflow accepts 36."""


def publish_models(
    folder: Path, record: RunRecord, parent: str, key: str, tags: "list[RunTag]"
) -> None:
    """Log metrics, tables, crops, test sets and weights of each model of an evaluation.

    `folder` has the results of the stage; `key` identifies them, and models that were logged with
    it are skipped. `tags` are those of a complete run.
    """
    from mlflow.entities import Metric  # noqa: PLC0415

    results = from_json((folder / "metrics.json").read_text(encoding="utf-8"))
    frame = read_table(folder / "per_image.csv")
    test_sets = _test_sets()
    for model, sets in results.items():
        own = {
            RUN_TAG: record.run, STAGE_TAG: "model", MODEL_TAG: model, "esrgan.evaluation": key,
        }  # fmt: skip
        if find_run({**own, STATE_TAG: "complete"}) is not None:
            continue
        run_id = get_or_create_run(f"{model} ({record.run})", own, parent)
        log_params(run_id, {"model": model})
        client().log_inputs(run_id, list(test_sets.values()))
        table = frame[frame["model"] == model].drop(columns="model")
        _log_table(run_id, table, f"per_image_{key[:8]}.json")
        model_id = _log_weights(model, run_id)
        metrics = []
        for set_name, values in sets.items():
            dataset = test_sets[set_name].dataset if set_name in test_sets else None
            metrics += [
                Metric(
                    f"{sanitize_name(set_name)}/{name}",
                    value,
                    record.ended,
                    0,
                    model_id=model_id,
                    dataset_name=dataset.name if dataset else None,
                    dataset_digest=dataset.digest if dataset else None,
                    run_id=run_id,
                )
                for name, value in values.items()
            ]
        log_metrics(run_id, metrics)
        # the same keys in every model's run, which the UI shows as a grid
        crops = {
            f"{sanitize_name(path.parent.name)}/{sanitize_name(path.stem)}": path
            for path in sorted((folder / "report" / "crops" / model).glob("*/*.png"))
        }
        log_images(run_id, crops, 0, record.ended)
        client().set_terminated(run_id, "FINISHED")
        client().log_batch(run_id, tags=tags)


def _log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Log a table as `MlflowClient.log_table` does, which would append its rows again."""
    from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS  # noqa: PLC0415

    client().log_text(run_id, table.to_json(orient="split", index=False), name)
    logged = to_json([{"path": name, "type": "table"}])
    client().set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, logged)


def _test_sets() -> "dict[str, DatasetInput]":
    """The test sets by name, each with a hash of its pairs."""
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
            digest=hashlib.sha256(hashes.encode()).hexdigest()[:DIGEST_LENGTH],
            source_type="local",
            source=to_json({"uri": str(PAIRS)}),
            profile=to_json({"num_rows": len(pairs)}),
        )
        inputs[name] = DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])
    return inputs


def _log_weights(model: str, run_id: str) -> str | None:
    """Log the weights of a model, so that MLflow can search weights by metrics; return their id.

    Models without weights of their own return None.
    """
    weights = generator_path(TRAINING_STAGES.get(model, model))
    if not weights.is_file():
        return None
    tags = {"weights.sha256": file_sha256(weights)}
    logged = get_or_create_logged_model(model, run_id, tags, "generator")
    client().log_model_artifact(logged.model_id, str(weights))
    client().finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)
