"""Trainings from published and registered weights, by the real stages."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from esrgan_core.models.reading import load_network, read_weights
from pipelines.config.params import read_yaml
from tests.e2e.conftest import Run, environment, moved
from tests.support.trainings import wait_for

ALPHA = 0.25


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A copy whose trainings start from the registered model."""
    return moved(trained, tmp_path_factory.mktemp("start") / "project")


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / "artifacts" / name).read_text(encoding="utf-8"))


def digest(path: Path) -> str:
    return load_network(path).digest


def test_a_network_is_handed_on_fine_tuned_measured_and_registered(
    project: Path, run: Run, esrgan: Run
) -> None:
    """Without steps, `pretrain` measures its start as `esrgan evaluate` does."""
    published = project / "published.pth"
    esrgan("convert", "models:/esrgan/1", str(published), f"--alpha={ALPHA}", "--layout=esrgan")
    esrgan(
        "params", "--set=generator=from_start",
        "--set=pretrain={start: published.pth, steps: 0}",
        f"--set=finetune={{start: \"models:/esrgan@challenger?alpha={ALPHA}\", save_every: 1}}",
    )  # fmt: skip
    for uri, complaint in (
        ("models:/esrgan@absent", "there is no esrgan version absent"),
        ("models:/esrgan", "is neither models:/NAME/VERSION nor models:/NAME@ALIAS"),
    ):
        assert complaint in esrgan("params", f"--set=finetune.start={uri}", fails=True)
    value = read_yaml(project / "params.yaml")["finetune"]["start"]
    assert value == f"models:/esrgan/1?alpha={ALPHA}#sha256={digest(published)}"

    run("python", "-m", "pipelines.stages.pretrain")
    generator = project / "artifacts/pretrain/generator.safetensors"
    assert digest(generator) == digest(published)
    lineage = read_weights(generator).lineage
    assert lineage["start.sha256"] == digest(published)
    assert lineage["start"].startswith("published.pth#sha256=")
    val = evaluated(esrgan, "artifacts/images/val", "psnr_y,ssim_y")
    assert read(project, "pretrain/metrics.json")["val"] == val

    start = project / "artifacts/finetune/start.safetensors"
    whole = fine_tune(project, run, killed=False)
    assert fine_tune(project, run, killed=True) == whole
    assert digest(start) == digest(published)
    for stage in ("interpolate", "evaluate", "register"):
        run("python", "-m", f"pipelines.stages.{stage}")
    test = evaluated(esrgan, "artifacts/images/test/sample", "psnr_y,ssim_y,rmse_y,niqe")
    assert read(project, "evaluate/metrics.json")["pretrained"]["sample"] == pytest.approx(
        test, abs=1e-6
    )
    card = MlflowClient(f"sqlite:///{project}/.esrgan/mlflow.db").get_model_version("esrgan", "2")
    assert f"the network at alpha 0 comes from {value}" in str(card.description)
    assert card.tags["start.sha256"] == digest(published)


def evaluated(esrgan: Run, folder: str, metrics: str) -> dict[str, float]:
    """Means by `esrgan evaluate`."""
    printed = esrgan(
        "evaluate", f"--hr={folder}", "--model=published.pth", f"--metrics={metrics}", "--json"
    )
    return dict(json.loads(printed[printed.index("{") :])["mean"])


def fine_tune(project: Path, run: Run, *, killed: bool) -> bytes:
    """The bytes of the generator that the stage writes, in a state root of its own."""
    state = {
        "ESRGAN_STATE": str(project / f"state-{killed}"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/.esrgan/mlflow.db",
    }
    if killed:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.stages.finetune"],
            cwd=project, env=environment(project) | state, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        checkpoints = project / "state-True" / "checkpoints" / "finetune"
        wait_for(lambda: any(checkpoints.glob("*/step_00000001.json")))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    run("python", "-m", "pipelines.stages.finetune", **state)
    return (project / "artifacts/finetune/generator.safetensors").read_bytes()
