"""Which checkpoints are needed, and what `esrgan prune` removes."""

import hashlib
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.ops.prune import list_trainings, remove
from pipelines.training.locks import LOCK
from pipelines.training.results import note_kept, write_result


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a finished, an interrupted and a running training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name in ("finished", "cut", "running"):
        folder = tmp_path / "state/checkpoints/pretrain" / name
        folder.mkdir(parents=True)
        (folder / "step_00000001.pt").write_bytes(bytes(1 << 20))
    output = Path("artifacts/pretrain/generator.safetensors")
    output.parent.mkdir(parents=True)
    output.write_text("weights")
    write_result(tmp_path / "state/checkpoints/pretrain/finished", output)
    return tmp_path


def write_lock(repository: Path, md5: str) -> None:
    (repository / "dvc.lock").write_text(
        "stages:\n  pretrain:\n    outs:\n"
        f"    - path: artifacts/pretrain/generator.safetensors\n      md5: {md5}\n"
    )


def states() -> dict[str, str]:
    return {training.folder.name: training.state for training in list_trainings()}


def test_a_result_is_needed_until_dvc_lock_names_it(repository: Path) -> None:
    digest = hashlib.md5(b"weights").hexdigest()
    assert states()["finished"] == "unlocked"
    write_lock(repository, "0" * 32)
    assert states()["finished"] == "unlocked"
    write_lock(repository, digest)
    with FileLock(repository / "state/checkpoints/pretrain/running" / LOCK):
        found = states()
    assert found == {"cut": "unfinished", "finished": "kept by dvc.lock", "running": "running"}


def test_a_result_that_a_deleted_repository_had_locked_is_kept(repository: Path) -> None:
    lock = repository / "dvc.lock"
    for md5, state in (("0" * 32, "unlocked"), (hashlib.md5(b"weights").hexdigest(), "kept")):
        write_lock(repository, md5)
        note_kept(repository / "state", repository)
        lock.unlink()
        assert states()["finished"].startswith(state)


def test_prune_removes_kept_results_and_on_request_unfinished_trainings(repository: Path) -> None:
    write_lock(repository, hashlib.md5(b"weights").hexdigest())
    folder = repository / "state/checkpoints/pretrain"
    with FileLock(folder / "running" / LOCK):
        result = CliRunner().invoke(app, ["prune", "--dry-run"])
        assert "would free 1.0 MiB" in result.output
        assert (folder / "finished").exists()
        result = CliRunner().invoke(app, ["prune"])
        assert "freed 1.0 MiB" in result.output
        assert sorted(path.name for path in folder.iterdir()) == ["cut", "running"]
        CliRunner().invoke(app, ["prune", "--unfinished"])
        assert [path.name for path in folder.iterdir()] == ["running"]
    shutil.rmtree(folder)
    assert "freed 0.0 MiB" in CliRunner().invoke(app, ["prune"]).output


def test_a_folder_whose_state_has_changed_is_not_removed(repository: Path) -> None:
    found = {training.folder.name: training for training in list_trainings()}
    with FileLock(found["cut"].folder / LOCK):
        assert not remove(found["cut"])
    # it has finished since it was listed
    write_result(found["running"].folder, repository / "artifacts/pretrain/generator.safetensors")
    assert not remove(found["running"])
    assert all(one.folder.is_dir() for one in found.values())
    assert remove(found["cut"])
    assert not found["cut"].folder.exists()


def test_prune_empties_the_caches_on_request(repository: Path) -> None:
    for name in ("prepared/hr/a.npy", "sources/sha256/ab/abc"):
        path = repository / "state" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1 << 20))
    assert "freed 0.0 MiB" in CliRunner().invoke(app, ["prune"]).output
    assert (
        "would free 2.0 MiB" in CliRunner().invoke(app, ["prune", "--caches", "--dry-run"]).output
    )
    assert "freed 2.0 MiB" in CliRunner().invoke(app, ["prune", "--caches"]).output
    assert not (repository / "state/prepared").exists()
