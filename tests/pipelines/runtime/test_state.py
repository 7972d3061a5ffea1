from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.app import app
from pipelines.config.artifacts import IMAGES, MANIFEST, REPORT_PAGE
from pipelines.data.manifest import ManifestRow, write_manifest
from pipelines.runs.repository import find_repository
from pipelines.runtime.state import state_root, state_root_path
from pipelines.tracking.database import has_store


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
        assert state_root_path() == repository / ".esrgan"


def test_a_relative_state_root_is_relative_to_the_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, place in (("mine", "mine"), ("", ".esrgan"), ("../apart", "../apart")):
        monkeypatch.setenv("ESRGAN_STATE", given)
        for folder in (repository, repository / "photographs" / "2026"):
            monkeypatch.chdir(folder)
            assert state_root_path() == repository / place
    monkeypatch.setenv("ESRGAN_STATE", "mine")
    (repository / ".git").mkdir()
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(repository))
    assert find_repository().state == repository / "mine"


def in_folder(folder: Path, *arguments: str) -> Result:
    with chdir(folder):
        return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    "command",
    ["verify", "publish", "prune", "promote models:/mine/1", "rollback --model mine"],
)
def test_outside_a_repository_a_command_fails_and_creates_nothing(
    repository: Path, command: str
) -> None:
    elsewhere = repository.parent / "elsewhere"
    elsewhere.mkdir()
    result = in_folder(elsewhere, *command.split())
    assert str(result.exception).startswith(
        f"{elsewhere} is not in a repository; run this command in one"
    )
    assert not [*elsewhere.iterdir()]


def test_a_damaged_image_is_found_from_a_subfolder(repository: Path) -> None:
    row = ManifestRow(
        path="test/a.png", kind="hr", split="test", set="own", width=8, height=8, mode="RGB",
        sha256=64 * "0", license="", origin="", citation="",
    )  # fmt: skip
    (repository / IMAGES / "test").mkdir(parents=True)
    (repository / IMAGES / row.path).write_bytes(b"damaged")
    write_manifest(repository / MANIFEST, [row])
    for folder in (repository, repository / "photographs" / "2026"):
        result = in_folder(folder, "verify")
        assert result.exit_code == 1
        assert f"images: {IMAGES / row.path} has changed since it was written" in result.output


def test_results_are_published_from_a_subfolder(repository: Path) -> None:
    (repository / REPORT_PAGE).parent.mkdir(parents=True)
    (repository / REPORT_PAGE).touch()
    result = in_folder(repository / "photographs", "publish")
    assert f"report page: {repository / REPORT_PAGE}" in result.output


def test_has_store_creates_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = repository.parent / "elsewhere"
    elsewhere.mkdir()
    for folder in (repository, elsewhere):
        monkeypatch.chdir(folder)
        assert not has_store()
        assert not (folder / ".esrgan").exists()
        assert state_root().is_dir()
