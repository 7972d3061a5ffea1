"""Baselines, ablation, figures and the report in MLflow, with the real tools."""

import json
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from tests.conftest import textured
from tests.e2e.conftest import Run, command_in, esrgan_in
from tests.support.browser import browser_page, screenshot_folder
from tests.support.proxy import mlflow_server

OWN = ["bicubic", "pretrained", "interpolated", "finetuned"]
BASELINES = ["srcnn", "srresnet", "srgan", "sftgan", "contextual"]


@pytest.fixture(scope="module")
def compared(project: Path) -> Path:
    """The project with trained baselines."""
    run = command_in(project)
    run("python", "-m", "pipelines.baselines")
    esrgan_in(project)("publish")
    return project


def test_dvc_repro_does_not_run_the_baselines(run: Run, compared: Path) -> None:
    printed = run("dvc", "repro")
    assert "baselines" not in printed


def test_all_models_are_measured_alike(compared: Path) -> None:
    every = json.loads((compared / "artifacts/compare/metrics.json").read_text())
    own = json.loads((compared / "artifacts/evaluate/metrics.json").read_text())
    assert list(every) == ["bicubic", *BASELINES, *OWN[1:]]
    for model in OWN:
        assert every[model] == own[model]
    page = (compared / "artifacts/compare/report/index.html").read_text()
    for title in ("SRCNN", "SRResNet", "SRGAN", "SFTGAN", "contextual loss"):
        assert title in page


def test_every_model_has_a_run_with_table_crops_data_and_weights(compared: Path) -> None:
    client = MlflowClient(f"sqlite:///{compared}/.esrgan/mlflow.db")
    experiment = client.get_experiment_by_name("esrgan")
    assert experiment
    runs = [
        run
        for run in client.search_runs([experiment.experiment_id], "tags.`dvc.stage` = 'model'")
        if run.data.params["model"] in BASELINES
    ]
    assert {run.data.params["model"] for run in runs} == set(BASELINES)
    assert len({tuple(sorted(run.data.metrics)) for run in runs}) == 1
    for run in runs:
        assert run.inputs
        (data,) = run.inputs.dataset_inputs
        assert data.dataset.name == "sample"
        images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
        assert any("coffee" in path for path in images)
        tables = [file.path for file in client.list_artifacts(run.info.run_id)]
        assert any(path.startswith("per_image") for path in tables)
    found = client.search_logged_models(
        experiment_ids=[experiment.experiment_id],
        order_by=[{"field_name": "metrics.sample/psnr_y", "ascending": False}],
    )
    generators = [model for model in found if model.model_type == "generator"]
    assert {"srresnet", "pretrained", "finetuned"} <= {model.name for model in generators}


def test_the_report_works_in_mlflows_artifact_view(compared: Path, tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{compared}/.esrgan/mlflow.db")
    experiment = client.get_experiment_by_name("esrgan")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id], "tags.`dvc.stage` = 'compare'")
    place = f"experiments/{experiment.experiment_id}/runs/{run.info.run_id}"
    with mlflow_server(compared, ".esrgan/mlflow.db") as port, browser_page() as (page, _):
        page.goto(f"http://127.0.0.1:{port}/#/{place}/artifacts/report/index.html")
        view = page.frame_locator("iframe")
        view.locator("#stage").wait_for(timeout=300_000)
        view.locator("#tiles figure").first.wait_for()
        assert view.locator("#tiles figure").count() >= len(BASELINES) + 4
        stage = view.locator("#stage")
        before = stage.screenshot()
        view.locator("#left-select").select_option(label="SRCNN")
        view.locator("#alpha").evaluate(
            "one => { one.value = 0; one.dispatchEvent(new Event('input')) }"
        )
        page.wait_for_timeout(100)
        assert stage.screenshot() != before
        page.screenshot(path=screenshot_folder(tmp_path) / "mlflow.png")


def test_folders_are_compared_with_published_results(
    esrgan: Run, compared: Path, tmp_path: Path
) -> None:
    (tmp_path / "HR").mkdir()
    for number in range(2):
        path = tmp_path / "HR" / f"{number}.png"
        Image.fromarray(textured(220, 240, seed=number)).save(path)
    printed = esrgan("compare", "--set", f"Set5={tmp_path}/HR", "-o", str(tmp_path / "table.md"))
    table = (tmp_path / "table.md").read_text()
    assert table.strip() in printed
    assert "## Set5, 2 images" in table
    assert "(28.42)" in table
    assert "these on 6" in table
    for row in ("bicubic", "SRCNN", "SFTGAN", "alpha 0", "alpha 0.5", "alpha 1"):
        assert f"| {row} |" in table


def test_one_command_draws_the_figures_of_a_paper(
    esrgan: Run, compared: Path, tmp_path: Path
) -> None:
    esrgan("figures", "-o", str(tmp_path))
    names = {path.name for path in tmp_path.iterdir()}
    for name in ("patches-coffee", "patches-china", "plane", "curves-finetune", "curves-srgan"):
        assert {f"{name}.pdf", f"{name}.png"} <= names


def test_the_ablation_has_a_row_per_variant_stage_and_seed(run: Run, compared: Path) -> None:
    run("python", "-m", "pipelines.baselines.ablation")
    runs = pd.read_csv(compared / "artifacts/ablation/runs.csv")
    assert len(runs) == 2 * (4 + 6)
    assert runs.groupby(["variant", "stage"])["seed"].nunique().eq(2).all()
    table = (compared / "artifacts/ablation/table.md").read_text()
    assert "| features after activation |" in table
    assert "Means over 2 seeds" in table
    client = MlflowClient(f"sqlite:///{compared}/.esrgan/mlflow.db")
    experiment = client.get_experiment_by_name("esrgan")
    assert experiment
    found = client.search_runs([experiment.experiment_id], "tags.`dvc.stage` = 'ablation'")
    assert len(found) == len(runs)
