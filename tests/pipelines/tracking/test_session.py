from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.runtime.run_record import clear_run_name, run_name
from pipelines.tracking.client import STAGE_TAG, client, experiment_id
from pipelines.tracking.session import recording
from pipelines.tracking.store_errors import translate_errors


def test_a_run_has_one_name_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("ESRGAN_RUN", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    first = run_name()
    assert run_name() == first
    clear_run_name(first)
    assert not (tmp_path / "current_run").exists()


def test_the_environment_variables_name_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fox")
    assert run_name() == "lucky-fox"
    monkeypatch.setenv("ESRGAN_RUN", "nightly-seven")
    assert run_name() == "nightly-seven"


@dataclass
class Settings:
    side: int = 5


def runs_by_stage() -> dict[str, list[str]]:
    with translate_errors():
        found = client().search_runs([experiment_id()])
    stages: dict[str, list[str]] = {}
    for run in found:
        stages.setdefault(run.data.tags[STAGE_TAG], []).append(run.info.status)
    return stages


@pytest.fixture
def project(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_training_reports_the_stages_before_it(project: Path) -> None:
    with recording("bicubic", Settings()):
        pass
    assert not (project / "state" / "mlflow.db").exists()
    with recording("srcnn", Settings()):
        for name in ("metrics.json", "curve.csv"):
            (project / "artifacts" / "srcnn").mkdir(parents=True, exist_ok=True)
            (project / "artifacts" / "srcnn" / name).write_text("{}" if "json" in name else "step")
    assert runs_by_stage() == {
        "pipeline": ["RUNNING"], "bicubic": ["FINISHED"], "srcnn": ["FINISHED"],
    }  # fmt: skip


def test_a_stage_that_fails_has_a_failed_run(project: Path) -> None:
    with pytest.raises(OSError, match="full"), recording("bicubic", Settings()):
        raise OSError("the disk is full")
    assert runs_by_stage()["bicubic"] == ["FAILED"]
    with recording("bicubic", Settings()):
        pass
    with pytest.raises(KeyboardInterrupt), recording("validate", Settings()):
        raise KeyboardInterrupt
    assert runs_by_stage() == {"pipeline": ["RUNNING"], "bicubic": ["FAILED"]}
