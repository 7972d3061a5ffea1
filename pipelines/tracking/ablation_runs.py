"""The ablation's trainings as MLflow runs with equal keys."""

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipelines.config.params import flatten
from pipelines.tracking.client import (
    RUN_TAG,
    STAGE_TAG,
    client,
    create_child_run,
    find_run,
    get_or_create_parent_run,
    log_metrics,
    log_params,
    sanitize_name,
    translate_errors,
)
from pipelines.tracking.errors import StoreError

ABLATION = "ablation"
FIGURES = ("variant", "stage", "seed", "set")


def publish_ablation(frame: pd.DataFrame, params: Mapping[str, Any]) -> None:
    """A run per variant, stage and seed; trouble with it costs a warning, the table stays."""
    try:
        with translate_errors():
            from mlflow.entities import Metric  # noqa: PLC0415

            parent = get_or_create_parent_run(ABLATION)
            for (variant, stage, seed), rows in frame.groupby(["variant", "stage", "seed"]):
                own = {
                    RUN_TAG: ABLATION,
                    STAGE_TAG: ABLATION,
                    "ablation.variant": str(variant),
                    "ablation.stage": str(stage),
                    "ablation.seed": str(seed),
                    "ablation.figures": str(pd.util.hash_pandas_object(rows, index=False).sum()),
                }
                found = find_run(own)
                if found and found.info.status == "FINISHED":
                    continue
                title = f"{variant}, stage {stage}, seed {seed}"
                run_id = found.info.run_id if found else create_child_run(parent, title, own)
                log_params(
                    run_id, dict(flatten(params)) | {"variant": str(variant), "stage": str(stage)}
                )
                # the same time at each attempt, so that no figure is there twice
                time = client().get_run(run_id).info.start_time
                metrics = [
                    Metric(f"{sanitize_name(str(row['set']))}/{name}", float(row[name]), time, 0)
                    for row in rows.to_dict("records")
                    for name in row.keys() - set(FIGURES)
                ]
                log_metrics(run_id, metrics)
                client().set_terminated(run_id, "FINISHED")
            client().set_terminated(parent, "FINISHED")
    except (StoreError, OSError) as error:
        print(f"{error}\nthe table has all of it, MLflow has not", file=sys.stderr)
