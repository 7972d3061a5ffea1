"""The ablation's trainings as MLflow runs with equal metric names."""

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipelines.config.params import flatten
from pipelines.tracking import client as store
from pipelines.tracking.store_errors import StoreError, translate_errors

ABLATION = "ablation"
TRAINING_COLUMNS = ["variant", "stage", "seed"]


def publish_ablation(frame: pd.DataFrame, params: Mapping[str, Any]) -> None:
    """Log a run per variant, stage and seed; print a warning if MLflow cannot store them."""
    try:
        with translate_errors():
            parent = store.get_or_create_parent_run(ABLATION)
            for _, rows in frame.groupby(TRAINING_COLUMNS):
                _publish_training(parent, rows, params)
            store.client().set_terminated(parent, "FINISHED")
    except StoreError as error:
        print(
            f"{error}\nMLflow lacks results of the ablation; the table is complete", file=sys.stderr
        )


def _publish_training(parent: str, rows: pd.DataFrame, params: Mapping[str, Any]) -> None:
    variant, stage, seed = (str(rows[name].iloc[0]) for name in TRAINING_COLUMNS)
    tags = {
        store.RUN_TAG: ABLATION,
        store.STAGE_TAG: ABLATION,
        "ablation.variant": variant,
        "ablation.stage": stage,
        "ablation.seed": seed,
        "ablation.figures": str(pd.util.hash_pandas_object(rows, index=False).sum()),
    }
    run_id = store.get_or_create_run(f"{variant}, stage {stage}, seed {seed}", tags, parent)
    run = store.client().get_run(run_id)
    if run.info.status == "FINISHED":
        return
    store.log_params(run_id, dict(flatten(params)) | {"variant": variant, "stage": stage})
    points = [
        # the same time in every attempt, so that MLflow keeps one of equal metrics
        (f"{store.sanitize_name(str(row['set']))}/{name}", float(row[name]), run.info.start_time, 0)
        for row in rows.to_dict("records")
        for name in row.keys() - {*TRAINING_COLUMNS, "set"}
    ]
    store.log_metrics(run_id, points)
    store.client().set_terminated(run_id, "FINISHED")
