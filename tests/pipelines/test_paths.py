from pathlib import Path

import pytest

from pipelines.paths import state_place, state_root
from pipelines.tracking.store import has_store


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ESRGAN_STATE", "DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "repository" / ".dvc").mkdir(parents=True)
    (tmp_path / "repository" / "photographs" / "2026").mkdir(parents=True)
    return tmp_path / "repository"


def test_the_state_root_is_found_from_any_folder(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (repository, repository / "photographs" / "2026"):
        monkeypatch.chdir(folder)
        assert state_place() == repository / ".esrgan"


def test_looking_creates_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = repository.parent / "elsewhere"
    elsewhere.mkdir()
    for folder in (repository, elsewhere):
        monkeypatch.chdir(folder)
        assert not has_store()
        assert not (folder / ".esrgan").exists()
        assert state_root().is_dir()
