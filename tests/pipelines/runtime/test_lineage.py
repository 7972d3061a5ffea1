import subprocess
from pathlib import Path

import pytest

from pipelines.runtime.lineage import git_commit


def git(*arguments: str) -> str:
    identity = ["-c", "user.email=a@localhost", "-c", "user.name=a"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A commit with code, parameters and outputs, checked out in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("code.py", "params.yaml", "dvc.lock", "artifacts/pretrain/metrics.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("a\n")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "a")
    return git("rev-parse", "HEAD")


def test_files_that_a_run_rewrites_do_not_change_the_commit(commit: str) -> None:
    assert git_commit() == commit
    for name in ("params.yaml", "dvc.lock", "artifacts/pretrain/metrics.json"):
        Path(name).write_text("b\n")
    Path("untracked.txt").write_text("b\n")
    assert git_commit() == commit
    Path("code.py").write_text("b\n")
    assert git_commit() == f"{commit}+"


def test_a_subfolder_has_the_same_commit(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("code.py").write_text("b\n")
    monkeypatch.chdir("artifacts")
    assert git_commit() == f"{commit}+"


def test_there_is_no_commit_outside_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() == ""


def test_a_repository_of_another_owner_names_the_remedy(
    commit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commit
    # git's own switch for its tests of this
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")
    assert git_commit() == ""
    assert "safe.directory" in capsys.readouterr().err
