"""A model version that older code registered is loaded by this code.

`tests/data/registered_version` was written once, by the commit before the packages of `pipelines/`;
it carries the library of that commit.
"""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.tracking.client import client, experiment_id
from tests.support import ROOT

STORED = ROOT / "tests" / "data" / "registered_version"
PREDICT = """
import sys
from pathlib import Path

import mlflow
import pandas as pd

folder, image, target = map(Path, sys.argv[1:])
model = mlflow.pyfunc.load_model(str(folder))
inputs = pd.DataFrame({"image": [image.read_bytes()]})
target.write_bytes(model.predict(inputs, params={"alpha": 0.5})["image"][0])
print(sys.modules["esrgan_core"].__file__)
"""


@pytest.fixture
def version(tmp_path: Path) -> Path:
    with tarfile.open(STORED / "version.tar.xz") as archive:
        archive.extractall(tmp_path / "version", filter="data")
    return tmp_path / "version"


@pytest.fixture
def lr(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[:24, :32]
    channels = (rows * 10, columns * 8, rows * columns)
    Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(tmp_path / "lr.png")
    return tmp_path / "lr.png"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty MLflow store, which this process forgets afterwards."""
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for cached in (client, experiment_id):
        cached.cache_clear()
    yield
    for cached in (client, experiment_id):
        cached.cache_clear()


def largest_difference(result: Path) -> int:
    """From the result of the code that registered the version, on whatever processor that ran."""
    images = [np.asarray(Image.open(path), np.int16) for path in (result, STORED / "result.png")]
    return int(np.abs(images[0] - images[1]).max())


def test_pyfunc_runs_the_code_of_the_version(version: Path, lr: Path, tmp_path: Path) -> None:
    result = tmp_path / "sr.png"
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(version), str(lr), str(result)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(version / "code")
    assert largest_difference(result) <= 1


@pytest.mark.usefixtures("store")
def test_the_command_line_upscales_by_it(version: Path, lr: Path, tmp_path: Path) -> None:
    logged = client().create_logged_model(experiment_id(), "esrgan")
    client().log_model_artifacts(logged.model_id, str(version))
    client().create_registered_model("esrgan")
    client().create_model_version("esrgan", logged.model_uri, model_id=logged.model_id)
    client().set_registered_model_alias("esrgan", "champion", "1")
    words = ["upscale", str(lr), "-o", str(tmp_path / "sr.png"), "--precision", "fp32"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert largest_difference(tmp_path / "sr.png") <= 1
