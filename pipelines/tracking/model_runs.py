"""A run per evaluated model, with equal keys per set, for the UI to line up and to search."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    create_child_run,
    find_run,
    get_or_create_logged_model,
    log_metrics,
    log_params,
    sanitize_name,
)
from pipelines.tracking.images import log_images

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, RunTag

TRAINED = {"pretrained": "pretrain", "finetuned": "finetune"}
"""Stage that leaves a method's weights, where it has another name."""
DIGEST = 32
"""Digits of a data set's hash; MLflow keeps 36."""


def publish_models(
    folder: Path, record: RunRecord, parent: str, key: str, tags: "list[RunTag]"
) -> None:
    """Log what an evaluation says of each model: figures, tables, crops, data sets, the weights.

    Args:
        folder: of the stage that evaluated.
        record: of the same.
        parent: run that the models' runs go below.
        key: of the evaluation: what has it is there already.
        tags: of the stage's run.
    """
    from mlflow.entities import Metric  # noqa: PLC0415

    results = from_json((folder / "metrics.json").read_text(encoding="utf-8"))
    frame = read_table(folder / "per_image.csv")
    data = _data_sets()
    for model, sets in results.items():
        own = {RUN_TAG: record.run, STAGE_TAG: "model", MODEL_TAG: model, "esrgan.evaluation": key}
        if find_run({**own, STATE_TAG: "complete"}) is not None:
            continue
        half = find_run(own)
        run_id = (
            half.info.run_id if half else create_child_run(parent, f"{model} ({record.run})", own)
        )
        log_params(run_id, {"model": model})
        client().log_inputs(run_id, list(data.values()))
        table = frame[frame["model"] == model].drop(columns="model")
        _log_table(run_id, table, f"per_image_{key[:8]}.json")
        model_id = _logged_model(model, run_id)
        metrics = []
        for set_name, values in sets.items():
            used = data[set_name].dataset if set_name in data else None
            metrics += [
                Metric(
                    f"{sanitize_name(set_name)}/{metric}",
                    value,
                    record.ended,
                    0,
                    model_id=model_id,
                    dataset_name=used.name if used else None,
                    dataset_digest=used.digest if used else None,
                    run_id=run_id,
                )
                for metric, value in values.items()
            ]
        log_metrics(run_id, metrics)
        # under the same keys in every model's run: a grid in the UI
        crops = {
            f"{sanitize_name(path.parent.name)}/{sanitize_name(path.stem)}": path
            for path in sorted((folder / "report" / "crops" / model).glob("*/*.png"))
        }
        log_images(run_id, crops, 0, record.ended)
        client().set_terminated(run_id, "FINISHED")
        client().log_batch(run_id, tags=tags)


def _log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Log a table as `MlflowClient.log_table` does, which would add its rows once more."""
    from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS  # noqa: PLC0415

    client().log_text(run_id, table.to_json(orient="split", index=False), name)
    about = to_json([{"path": name, "type": "table"}])
    client().set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, about)


def _data_sets() -> "dict[str, DatasetInput]":
    """The test sets, each with a hash over its pairs."""
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    sets: dict[str, list[PairEntry]] = {}
    for entry in PairStore(PAIRS).entries:
        if entry.split == "test":
            sets.setdefault(entry.set, []).append(entry)
    found = {}
    for name, pairs in sets.items():
        hashes = "".join(entry.hr_sha256 + entry.lr_sha256 for entry in pairs)
        digest = hashlib.sha256(hashes.encode())
        about: Mapping[str, Any] = {"num_rows": len(pairs)}
        found[name] = DatasetInput(
            Dataset(
                name=name,
                digest=digest.hexdigest()[:DIGEST],
                source_type="local",
                source=to_json({"uri": str(PAIRS)}),
                profile=to_json(about),
            ),
            [InputTag("mlflow.data.context", "test")],
        )
    return found


def _logged_model(model: str, run_id: str) -> str | None:
    """Id of the model of a run that figures are linked to; None for what has no weights of its own.

    So that the best weights of all runs can be searched for by their figures.
    """
    weights = generator_path(TRAINED.get(model, model))
    if not weights.is_file():
        return None
    tags = {"weights.sha256": file_sha256(weights)}
    made = get_or_create_logged_model(model, run_id, tags, "generator")
    client().log_model_artifact(made.model_id, str(weights))
    client().finalize_logged_model(made.model_id, "READY")
    return str(made.model_id)
