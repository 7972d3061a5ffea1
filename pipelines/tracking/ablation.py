"""The ablation's trainings as MLflow runs with equal keys."""

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipelines.tracking import StoreDownError
from pipelines.tracking.record import flat
from pipelines.tracking.store import (
    NAME,
    STAGE,
    child_run,
    client,
    find_run,
    parent_run,
    reaching_store,
    usable,
)

ABLATION = "ablation"
FIGURES = ("variant", "stage", "seed", "set")


def publish_ablation(frame: pd.DataFrame, params: Mapping[str, Any]) -> None:
    """A run per variant, stage and seed; a store that is down costs a warning, the table stays."""
    try:
        with reaching_store():
            parent = parent_run(ABLATION)
            for (variant, stage, seed), rows in frame.groupby(["variant", "stage", "seed"]):
                own = {
                    NAME: ABLATION,
                    STAGE: ABLATION,
                    "ablation.variant": str(variant),
                    "ablation.stage": str(stage),
                    "ablation.seed": str(seed),
                    "ablation.figures": str(pd.util.hash_pandas_object(rows, index=False).sum()),
                }
                if find_run(own) is not None:
                    continue
                run_id = child_run(parent, f"{variant}, stage {stage}, seed {seed}", own)
                for name, text in {**flat(params), "variant": variant, "stage": stage}.items():
                    client().log_param(run_id, name, text)
                for row in rows.to_dict("records"):
                    for metric in row.keys() - set(FIGURES):
                        key = f"{usable(str(row['set']))}/{metric}"
                        client().log_metric(run_id, key, float(row[metric]))
                client().set_terminated(run_id, "FINISHED")
            client().set_terminated(parent, "FINISHED")
    except StoreDownError as error:
        print(f"{error}; the table has all of it", file=sys.stderr)
