"""Steps per second of a real training stage, with MLflow well, slow, hanging and dead.

The stage runs in a copy of the project with the sample's generator, once per round for each
condition of the store; the result is the median rate of its own reports.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import pandas as pd
import typer
from ruamel.yaml import YAML

from benchmarks.timing import AsJson, Rounds, machine, print_results
from pipelines.config.params import read_yaml, update_params
from tests.e2e.conftest import command_in, environment, project_copy
from tests.support.proxy import Condition, Proxy, mlflow_server

CHANGES = {
    "generator": {"num_features": 32, "num_blocks": 2, "growth_channels": 16},
    "pretrain": {
        "steps": 600, "batch_size": 4, "report_every": 10, "save_every": 600,
        "validate_every": 600,
    },
}  # fmt: skip
CONDITIONS: tuple[Condition, ...] = ("well", "slow", "hanging", "dead")


def pace(project: Path, uri: str) -> float:
    """Median steps per second of a training from its first step."""
    state = project / "state"
    shutil.rmtree(state, ignore_errors=True)
    settings = environment(project) | {"ESRGAN_STATE": str(state), "MLFLOW_TRACKING_URI": uri}
    subprocess.run(
        [sys.executable, "-m", "pipelines.stages.pretrain"],
        cwd=project,
        env=settings,
        check=True,
        capture_output=True,
    )
    usage = pd.read_csv(project / "artifacts/pretrain/usage.csv")
    return float(usage["system/steps_per_second"].median())


def main(
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Print steps per second, and the step time relative to a store that works."""
    found: dict[Condition, list[float]] = {condition: [] for condition in CONDITIONS}
    with tempfile.TemporaryDirectory() as folder, mlflow_server(Path(folder)) as port:
        project = project_copy(Path(folder) / "project")
        params = read_yaml(project / "params.yaml")
        update_params(params, CHANGES)
        YAML().dump(params, project / "params.yaml")
        command_in(project)("dvc", "repro", "bicubic")
        with Proxy(port) as proxy:
            for _ in range(rounds):
                for condition in CONDITIONS:
                    proxy.condition = condition
                    found[condition].append(pace(project, proxy.uri))
    well = median(found["well"])
    results = {
        "machine": machine(),
        "steps_per_second": {name: round(median(values), 2) for name, values in found.items()},
        "step_time_beside_well": {
            name: round(well / median(values), 3) for name, values in found.items()
        },
    }
    print_results(results, as_json=as_json)


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    typer.run(main)
