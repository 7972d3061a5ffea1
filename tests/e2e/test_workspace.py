"""Clones for runs, and what is saved of them, with the real git and DVC."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from prefect.logging import disable_run_logger
from ruamel.yaml import YAML

from pipelines.config.params import read_yaml
from pipelines.flows.train import StageError, run_stage
from pipelines.runs import workspace
from pipelines.runs.dvc_graph import Node
from pipelines.runs.experiments import check_experiment_name, push, remove, save, workspaces
from pipelines.runs.workspace import (
    Repository,
    Request,
    WorkspaceError,
    changed_files,
    command_lock_of,
    newer_commit,
    prepare,
    repository,
    workspace_lock,
)
from pipelines.runtime.shell import CommandError, git
from tests.e2e.conftest import command_in, moved

PLAIN = Request(name="plain", overrides={"pretrain.steps": 70, "finetune": {"steps": 5}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A copy whose pipeline ends after the download, since what is saved has to be whole."""
    folder = moved(trained, tmp_path_factory.mktemp("workspace") / "project")
    for name in ("dvc.yaml", "dvc.lock"):
        content = read_yaml(folder / name)
        content["stages"] = {"download": content["stages"]["download"]}
        YAML().dump(content, folder / name)
    command_in(folder)("git", "commit", "--quiet", "--all", "--message", "short")
    return folder


@pytest.fixture
def source(project: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(project))
    monkeypatch.delenv("ESRGAN_STATE", raising=False)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME", raising=False)
    return repository()


@pytest.fixture
def folder(source: Repository) -> Path:
    return prepare(source, PLAIN)


def finished(folder: Path) -> None:
    """Finish a run, save it and push it."""
    run = command_in(folder)
    run("dvc", "repro")
    save(folder, lambda command: run(*command))
    push(folder, lambda command: run(*command))


def test_a_clone_has_its_own_parameters_and_the_cache_of_all(
    source: Repository, folder: Path
) -> None:
    assert folder == source.runs / "plain"
    text = (folder / "params.yaml").read_text()
    assert "steps: 70 " in text
    assert str(source.cache) in (folder / ".dvc" / "config.local").read_text()
    assert git(["status", "--porcelain"], folder) == "M params.yaml"
    assert git(["status", "--porcelain"], Path(source.address)) == ""


def test_the_same_request_finds_it_again_and_another_is_refused(
    source: Repository, folder: Path
) -> None:
    (folder / "mark").touch()
    nested = Request(name="plain", overrides={"pretrain": {"steps": 70}, "finetune.steps": 5})
    assert prepare(source, nested) == folder
    assert (folder / "mark").exists()
    (folder / "mark").unlink()
    with pytest.raises(WorkspaceError, match=r"recipe, pretrain\.steps is 70 there and 60 here"):
        prepare(source, Request(name="plain"))


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request(name="x", revision="nope"), "no revision 'nope'"),
        (Request(name="x", profile="ful"), "no profile 'ful'; there are"),
        (Request(name="x", overrides={"pretrian.steps": 1}), "did you mean pretrain"),
        (Request(name="x", overrides={"pretrain.steps": "x"}), "params.yaml: pretrain.steps = 'x'"),
    ],
)
def test_what_cannot_be_had_leaves_nothing(
    source: Repository, request_: Request, complaint: str
) -> None:
    with pytest.raises(WorkspaceError, match=complaint):
        prepare(source, request_)
    assert not list(source.runs.glob("*x*/*"))


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "x.lock", "x.", "a..b", "a b", "x" * 101])
def test_names_that_git_or_folders_do_not_take(name: str) -> None:
    with pytest.raises(WorkspaceError, match="cannot name a run"):
        Request(name=name)


def test_one_flow_at_a_time_works_in_a_clone(source: Repository, folder: Path) -> None:
    with workspace_lock(folder):
        (found,) = [one for one in workspaces(source) if one.folder == folder]
        assert found.state == "running"
        with (
            pytest.raises(WorkspaceError, match="a run plain is under way"),
            workspace_lock(folder, seconds=0),
        ):
            pass


def test_a_flow_waits_for_what_a_killed_one_still_has_under_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "SECONDS_FOR_AN_END", 0.1)
    with (
        FileLock(command_lock_of(folder)),
        pytest.raises(WorkspaceError, match="is under way"),
        workspace_lock(folder),
    ):
        pass
    with workspace_lock(folder):
        pass


def test_a_stage_holds_the_lock_that_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command_in(tmp_path)
    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    held = "! flock --nonblock .git/esrgan-command.lock true"
    run("dvc", "stage", "add", "--quiet", "--name", "held", "--outs", "out", f"{held} && touch out")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with disable_run_logger():
        run_stage.fn(Node(address="held", upstream=(), kind="stage"), update=False)
    assert (tmp_path / "out").exists()


def test_a_repository_elsewhere_needs_a_state_root_and_no_password(
    source: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in ("me:secret", "secret"):
        monkeypatch.setenv("ESRGAN_REPOSITORY", f"https://{secret}@host/esrgan.git")
        with pytest.raises(WorkspaceError, match="has a password or a token in it") as caught:
            repository()
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("ESRGAN_REPOSITORY", f"file://{source.address}")
    with pytest.raises(WorkspaceError, match="ESRGAN_STATE must name a folder"):
        repository()
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    folder = prepare(repository(), PLAIN)
    assert folder == tmp_path / "state" / "runs" / "plain"
    assert str(tmp_path / "state" / "cache") in (folder / ".dvc" / "config.local").read_text()
    monkeypatch.setenv("ESRGAN_REPOSITORY", f"file://{tmp_path}/nowhere")
    with pytest.raises(CommandError, match="git clone"):
        prepare(repository(), Request(name="x"))
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(tmp_path))
    with pytest.raises(WorkspaceError, match="is no git repository"):
        repository()


def test_a_name_is_not_taken_from_another_run(source: Repository, folder: Path) -> None:
    assert check_experiment_name(folder) == ""
    run = command_in(folder)
    run("dvc", "repro")
    save(folder, lambda command: run(*command))
    (found,) = [one for one in workspaces(source) if one.folder == folder]
    assert found.state == "unsaved", "the repository does not have it yet"
    push(folder, lambda command: run(*command))
    assert "plain" in command_in(Path(source.address))("dvc", "exp", "list", "--name-only")
    (found,) = [one for one in workspaces(source) if one.folder == folder]
    assert found.state == "saved"
    # the same again, though the folder is another
    (folder / "mark").touch()
    assert not remove(source, found), "it has changed since"
    (folder / "mark").unlink()
    (found,) = [one for one in workspaces(source) if one.folder == folder]
    assert remove(source, found)
    assert not folder.exists()
    folder = prepare(source, PLAIN)
    finished(folder)
    shutil.rmtree(folder)
    folder = prepare(source, Request(name="plain", overrides={"pretrain.steps": 80}))
    with pytest.raises(WorkspaceError, match="another experiment plain already"):
        check_experiment_name(folder)
    shutil.rmtree(folder)


def test_a_run_keeps_its_commit_and_is_told_of_a_newer_one(
    source: Repository, folder: Path
) -> None:
    assert newer_commit(source, folder) == ""
    run = command_in(Path(source.address))
    run("git", "commit", "--quiet", "--allow-empty", "--message", "newer")
    assert prepare(source, PLAIN) == folder
    assert newer_commit(source, folder) == git(["rev-parse", "HEAD"], Path(source.address))
    shutil.rmtree(folder)


def test_a_remote_named_by_a_relative_path_is_the_repositorys(
    source: Repository, project: Path
) -> None:
    run = command_in(project)
    run("dvc", "remote", "add", "--default", "--local", "store", "../store")
    folder = prepare(source, Request(name="stored"))
    finished(folder)
    assert any((project.parent / "store").iterdir())
    run("dvc", "remote", "remove", "--local", "store")
    shutil.rmtree(folder)


def test_imported_data_that_nobody_keeps_comes_from_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, folder = tmp_path / "origin", tmp_path / "repository"
    for path in (origin, folder):
        path.mkdir()
    (origin / "a.txt").write_text("one")
    run = command_in(folder)
    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    run("dvc", "import-url", str(origin), "data")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    node = Node(address="data.dvc", upstream=(), kind="remote data")
    committed = Path("data.dvc").read_text()

    def bring(*, update: bool) -> str:
        for path in ("data", ".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(path, ignore_errors=True)
        with disable_run_logger():
            run_stage.fn(node, update=update)
        return Path("data/a.txt").read_text()

    assert bring(update=False) == "one"
    (origin / "a.txt").write_text("two")
    with pytest.raises(StageError, match=r"data\.dvc: it has changed where it was imported from"):
        bring(update=False)
    assert Path("data.dvc").read_text() == committed
    assert bring(update=True) == "two"


def test_what_the_cache_lacks_is_looked_for_among_earlier_runs(
    source: Repository, project: Path
) -> None:
    run = command_in(project)
    here = prepare(source, Request(name="here"))
    assert git(["status", "--porcelain", "dvc.lock"], here) == ""
    record = read_yaml(project / "dvc.lock")["stages"]["download"]["outs"][0]
    assert record["path"] == "artifacts/download/run.json"
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock.replace(record["md5"], "a" * 32))
    run("git", "commit", "--quiet", "--all", "--message", "locked elsewhere")
    elsewhere = prepare(source, Request(name="elsewhere"))
    for folder in (here, elsewhere):
        printed = command_in(folder)("dvc", "repro")
        assert "Stage 'download' is cached - skipping run" in printed
        assert "Running" not in printed
        shutil.rmtree(folder)


def test_what_is_not_committed_is_said(source: Repository) -> None:
    assert changed_files(source) == []
    path = Path(source.address) / "params.yaml"
    text = path.read_text()
    path.write_text(f"{text}# changed\n")
    assert changed_files(source) == ["params.yaml"]
    path.write_text(text)
