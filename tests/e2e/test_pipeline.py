"""The pipeline from the photographs in wheels to the registered model, with the real tools."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.e2e.conftest import Run

MODELS = {"bicubic", "pretrained", "interpolated", "finetuned"}


def runs_in(store: str, project: Path) -> list[MlflowRun]:
    """The MLflow runs of the pipeline, without those of baselines."""
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("esrgan")
    assert experiment
    name = json.loads((project / "artifacts/pretrain/run.json").read_text())["run"]
    return list(client.search_runs([experiment.experiment_id], f"tags.`esrgan.run` = '{name}'"))


@pytest.fixture(scope="module")
def runs(project: Path) -> list[MlflowRun]:
    return runs_in(f"sqlite:///{project}/.esrgan/mlflow.db", project)


def test_metrics_of_every_model_on_the_test_set(project: Path) -> None:
    results = json.loads((project / "artifacts/evaluate/metrics.json").read_text())
    assert set(results) == MODELS
    for sets in results.values():
        assert set(sets) == {"sample"}
        assert set(sets["sample"]) == {"psnr_y", "ssim_y", "rmse_y", "niqe"}
    assert results["bicubic"]["sample"]["psnr_y"] == pytest.approx(24.8586, abs=1e-3)


def test_the_grid_has_the_networks_at_its_ends(project: Path) -> None:
    grid = pd.read_csv(project / "artifacts/interpolate/grid.csv").set_index("alpha")
    results = json.loads((project / "artifacts/evaluate/metrics.json").read_text())
    for alpha, model in ((0, "pretrained"), (0.5, "interpolated"), (1, "finetuned")):
        for metric, value in results[model]["sample"].items():
            assert grid.loc[alpha, metric] == pytest.approx(value, abs=1e-4)


def test_the_report_is_one_file(project: Path) -> None:
    page = (project / "artifacts/evaluate/report/index.html").read_text()
    assert page.count("data:image/webp;base64") >= 2 * (len(MODELS) + 1)
    assert "<svg" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    for model in MODELS:
        assert model in page


def test_validation_writes_report_and_docs(project: Path) -> None:
    report = json.loads((project / "artifacts/validate/report.json").read_text())
    assert report["success"]
    assert report["images"] == 9
    assert "Expectation" in (project / "artifacts/validate/docs/index.html").read_text()


def test_mlflow_stores_everything_under_the_state_root(project: Path) -> None:
    assert not (project / "mlruns").exists()
    assert any((project / ".esrgan/mlartifacts/models").iterdir())


def test_a_second_repro_runs_no_stage_and_publishes_nothing(run: Run, esrgan: Run) -> None:
    assert "Data and pipelines are up to date." in run("dvc", "repro")
    assert ": complete" in esrgan("publish")


def test_dvc_shows_metrics_and_plots(run: Run) -> None:
    own = [f"artifacts/{stage}/metrics.json" for stage in ("pretrain", "finetune", "evaluate")]
    shown = run("dvc", "metrics", "show", "--json", *own)
    files = json.loads(shown)[""]["data"]
    assert set(files["artifacts/evaluate/metrics.json"]["data"]) == MODELS
    assert "psnr_y" in files["artifacts/pretrain/metrics.json"]["data"]["val"]
    plots = run("dvc", "plots", "show", "--out", "dvc_plots")
    assert "index.html" in plots


def test_a_network_that_is_not_finite_is_not_registered(run: Run, project: Path) -> None:
    path = project / "artifacts/finetune/generator.safetensors"
    whole = path.rename(path.with_suffix(".whole"))
    state = load_file(whole)
    state["conv_last.bias"][0] = float("nan")
    with safe_open(whole, "pt") as file:
        metadata = file.metadata()
    try:
        save_file(state, path, metadata)
        printed = run("python", "-m", "pipelines.stages.register", fails=True)
        assert "finetune/generator.safetensors: 1 of" in printed
    finally:
        whole.replace(path)


def test_a_parent_run_has_a_child_per_stage_and_model(runs: list[MlflowRun]) -> None:
    (parent,) = [run for run in runs if run.data.tags["dvc.stage"] == "pipeline"]
    children = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]
    stages = {run.data.tags["dvc.stage"] for run in children}
    assert stages == {
        "download", "validate", "bicubic", "pretrain", "finetune", "interpolate",
        "evaluate", "register", "model",
    }  # fmt: skip
    models = [run for run in children if run.data.tags["dvc.stage"] == "model"]
    assert {run.data.params["model"] for run in models} == MODELS
    assert len({tuple(sorted(run.data.metrics)) for run in models}) == 1
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.tags["git.commit"] for run in runs)


def test_mlflow_has_all_points_of_the_curves_and_the_images(
    project: Path, runs: list[MlflowRun]
) -> None:
    client = MlflowClient(f"sqlite:///{project}/.esrgan/mlflow.db")
    for stage, metric in (("pretrain", "g/pixel"), ("finetune", "d/adversarial")):
        (found,) = [run for run in runs if run.data.tags["dvc.stage"] == stage]
        with (project / f"artifacts/{stage}/curve.csv").open() as file:
            rows = {int(row["step"]): row for row in csv.DictReader(file)}
        history = client.get_metric_history(found.info.run_id, metric)
        assert {point.step: point.value for point in history} == pytest.approx(
            {step: float(row[metric]) for step, row in rows.items() if row[metric]}, rel=1e-4
        )
        validated = [
            point.step for point in client.get_metric_history(found.info.run_id, "val/psnr_y")
        ]
        assert validated == [step for step, row in rows.items() if row["val/psnr_y"]]
        images = [file.path for file in client.list_artifacts(found.info.run_id, "images")]
        assert sum("grace_hopper" in path and path.endswith(".png") for path in images) == len(
            validated
        )


def test_publishing_fills_an_empty_store(
    esrgan: Run, project: Path, runs: list[MlflowRun], tmp_path: Path
) -> None:
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/other.db", "ESRGAN_STATE": str(tmp_path)}
    assert "added download, validate, bicubic, pretrain" in esrgan("publish", **store)
    assert ": complete" in esrgan("publish", **store)

    def content(some: list[MlflowRun]) -> dict[str, dict[str, float]]:
        """Metrics by everything else that identifies a run."""
        return {
            json.dumps([run.data.tags["dvc.stage"], run.info.run_name, run.data.params]):
            run.data.metrics for run in some
        }  # fmt: skip

    found = content(runs_in(store["MLFLOW_TRACKING_URI"], project))
    expected = content(runs)
    assert found.keys() == expected.keys()
    for key, metrics in expected.items():
        # the file of the curve has six digits
        assert found[key] == pytest.approx(metrics, rel=1e-5), key
    client = MlflowClient(store["MLFLOW_TRACKING_URI"])
    assert client.get_model_version_by_alias(
        "esrgan", next(iter(client.get_registered_model("esrgan").aliases))
    )


def test_the_decision_follows_from_the_gates(project: Path) -> None:
    decision = json.loads((project / "artifacts/register/decision.json").read_text())
    holds = all(reason["holds"] for reason in decision["reasons"])
    assert decision["alias"] == ("champion" if holds else "challenger")
    client = MlflowClient(f"sqlite:///{project}/.esrgan/mlflow.db")
    version = client.get_model_version_by_alias("esrgan", decision["alias"])
    assert str(version.version) == decision["version"]


def test_an_experiment_runs_the_stages_that_its_parameter_affects(run: Run, project: Path) -> None:
    before = json.loads((project / "artifacts/pretrain/run.json").read_text())
    printed = run("dvc", "exp", "run", "-S", "finetune.steps=6", "interpolate")
    for stage in ("download", "validate", "bicubic", "pretrain"):
        assert f"Stage '{stage}' didn't change, skipping" in printed
    for stage in ("finetune", "interpolate"):
        assert f"Running stage '{stage}'" in printed
    # the later stages
    assert json.loads(run("dvc", "status", "--json")).keys() == {"evaluate", "register"}
    assert json.loads((project / "artifacts/pretrain/run.json").read_text()) == before
    # the longer run continued the shorter one, since the schedule does not depend on the steps
    assert "continuing after step 4" in printed
    curve = pd.read_csv(project / "artifacts/finetune/curve.csv")
    assert list(curve["step"]) == [0, 1, 2, 3, 4, 5, 6]
    shown = json.loads(
        run("dvc", "metrics", "diff", "--json", "--targets", "artifacts/finetune/metrics.json")
    )
    assert shown["artifacts/finetune/metrics.json"]["steps"]["diff"] == 2
    assert "finetune.steps" in run("dvc", "exp", "show", "--csv")


def test_a_command_measures_a_folder(esrgan: Run, project: Path, tmp_path: Path) -> None:
    hr = project / "artifacts/images/test/sample"
    for folder in ("HR", "LR"):
        (tmp_path / folder).mkdir()
    for path in hr.glob("*"):
        Image.open(path).save(tmp_path / "HR" / f"{path.stem}.png")
        lr = np.load(project / f"artifacts/pairs/lr/test/sample/{path.stem}.npy")
        Image.fromarray(lr).save(tmp_path / "LR" / f"{path.stem}.png")
    model = "artifacts/pretrain/generator.safetensors"
    printed = esrgan(
        "evaluate", "--hr", str(tmp_path / "HR"), "--lr", str(tmp_path / "LR"),
        "--model", model, "--json",
    )  # fmt: skip
    mean = json.loads(printed[printed.index("{") :])["mean"]
    results = json.loads((project / "artifacts/evaluate/metrics.json").read_text())
    for metric, value in mean.items():
        assert value == pytest.approx(results["pretrained"]["sample"][metric], abs=1e-5)
