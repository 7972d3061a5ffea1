#!/usr/bin/env bash
# MLflow 3.17.2: a repeated `MlflowClient.log_image` with the same key, step and timestamp adds a
# second image, while a repeated `log_metric` with the same values adds no second point. A client
# that repeats a call after a cut connection therefore logs the image twice: each call puts a new
# random identifier into the file name, and no argument sets it.
#
# Seen: one point of the metric, two PNG files of the image. Exits with 1 if that changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow==3.17.2' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - <<'PYTHON'
import sys

import mlflow
import numpy as np
from mlflow import MlflowClient

client = MlflowClient("sqlite:///mlflow.db")
experiment = client.create_experiment("repeated", artifact_location="artifacts")
run = client.create_run(experiment).info.run_id
image = np.zeros((8, 8, 3), np.uint8)
for _ in range(2):
    client.log_metric(run, "value", 1.0, timestamp=1000, step=5)
    client.log_image(run, image, key="sample", step=5, timestamp=1000)
points = client.get_metric_history(run, "value")
names = [one.path for one in client.list_artifacts(run, "images") if one.path.endswith(".png")]
print("mlflow", mlflow.__version__)
print("points of the metric:", len(points))
print("images:", *names, sep="\n  ")
sys.exit(not (len(points) == 1 and len(names) == 2))
PYTHON
