"""The ablation's trainings as MLflow runs with equal metric names."""

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipelines.config.params import flatten
from pipelines.tracking.client import (
    RUN_TAG,
    STAGE_TAG,
    client,
    get_or_create_parent_run,
    get_or_create_run,
    log_metrics,
    log_params,
    sanitize_name,
)
from pipelines.tracking.errors import StoreError
from pipelines.tracking.store_errors import translate_errors

ABLATION = "ablation"
TRAINING_COLUMNS = ["variant", "stage", "seed"]


def publish_ablation(frame: pd.DataFrame, params: Mapping[str, Any]) -> None:
    """Log a run per variant, stage and seed; print a warning if MLflow cannot store them."""
    try:
        with translate_errors():
            parent = get_or_create_parent_run(ABLATION)
            for training, rows in frame.groupby(TRAINING_COLUMNS):
                _publish_training(parent, tuple(map(str, training)), rows, params)
            client().set_terminated(parent, "FINISHED")
    except StoreError as error:
        print(
            f"{error}\nMLflow lacks results of the ablation; the table is complete", file=sys.stderr
        )


def _publish_training(
    parent: str, training: tuple[str, ...], rows: pd.DataFrame, params: Mapping[str, Any]
) -> None:
    from mlflow.entities import Metric  # noqa: PLC0415

    variant, stage, seed = training
    tags = {
        RUN_TAG: ABLATION,
        STAGE_TAG: ABLATION,
        "ablation.variant": variant,
        "ablation.stage": stage,
        "ablation.seed": seed,
        "ablation.figures": str(pd.util.hash_pandas_object(rows, index=False).sum()),
    }
    run_id = get_or_create_run(f"{variant}, stage {stage}, seed {seed}", tags, parent)
    run = client().get_run(run_id)
    if run.info.status == "FINISHED":
        return
    log_params(run_id, dict(flatten(params)) | {"variant": variant, "stage": stage})
    metrics = [
        # the same time in every attempt, so that MLflow keeps one of equal metrics
        Metric(f"{sanitize_name(str(row['set']))}/{name}", float(row[name]), run.info.start_time, 0)
        for row in rows.to_dict("records")
        for name in row.keys() - {*TRAINING_COLUMNS, "set"}
    ]
    log_metrics(run_id, metrics)
    client().set_terminated(run_id, "FINISHED")
