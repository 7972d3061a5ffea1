"""Workspaces of runs, and the experiments that are saved from them, with the real git and DVC."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from prefect.logging import disable_run_logger
from ruamel.yaml import YAML

from pipelines.config.errors import UserError
from pipelines.config.params import read_yaml
from pipelines.flows.train import StageError, run_stage
from pipelines.runs import workspace
from pipelines.runs.dvc_graph import Node
from pipelines.runs.experiments import find_experiment, list_workspaces, push, remove, save
from pipelines.runs.repository import Repository, find_repository
from pipelines.runs.workspace import COMMAND_LOCK, Request, prepare, workspace_lock
from pipelines.runtime.shell import CommandError, git
from tests.e2e.conftest import command_in, moved

PLAIN = Request(name="plain", overrides={"pretrain.steps": 70, "finetune": {"steps": 5}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A copy whose pipeline ends after the download, since only complete runs can be saved."""
    folder = moved(trained, tmp_path_factory.mktemp("workspace") / "project")
    for name in ("dvc.yaml", "dvc.lock"):
        content = read_yaml(folder / name)
        content["stages"] = {"download": content["stages"]["download"]}
        YAML().dump(content, folder / name)
    command_in(folder)("git", "commit", "--quiet", "--all", "--message", "short")
    return folder


@pytest.fixture
def repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(project))
    monkeypatch.delenv("ESRGAN_STATE", raising=False)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME", raising=False)
    return find_repository()


@pytest.fixture
def folder(repository: Repository) -> Path:
    return prepare(repository, PLAIN)


def finish(folder: Path) -> None:
    """Finish a run, save it and push it."""
    run = command_in(folder)
    run("dvc", "repro")
    save(folder, lambda command: run(*command))
    push(folder, lambda command: run(*command))


def test_a_workspace_has_its_own_parameters_and_the_shared_cache(
    repository: Repository, folder: Path
) -> None:
    assert folder == repository.runs / "plain"
    text = (folder / "params.yaml").read_text()
    assert "steps: 70 " in text
    assert str(repository.cache) in (folder / ".dvc" / "config.local").read_text()
    assert git(["status", "--porcelain"], folder) == "M params.yaml"
    assert git(["status", "--porcelain"], Path(repository.address)) == ""


def test_the_same_request_finds_the_workspace_and_another_recipe_is_an_error(
    repository: Repository, folder: Path
) -> None:
    (folder / "mark").touch()
    nested = Request(name="plain", overrides={"pretrain": {"steps": 70}, "finetune.steps": 5})
    assert prepare(repository, nested) == folder
    assert (folder / "mark").exists()
    (folder / "mark").unlink()
    with pytest.raises(UserError, match=r"recipe \(pretrain\.steps is 70 there and 60 here"):
        prepare(repository, Request(name="plain"))


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request(name="x", revision="nope"), "no revision 'nope'"),
        (Request(name="x", profile="ful"), "no profile 'ful'; there are"),
        (Request(name="x", overrides={"pretrian.steps": 1}), "did you mean pretrain"),
        (Request(name="x", overrides={"pretrain.steps": "x"}), "params.yaml: pretrain.steps = 'x'"),
    ],
)
def test_an_invalid_request_creates_no_workspace(
    repository: Repository, request_: Request, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        prepare(repository, request_)
    assert not list(repository.runs.glob("*x*/*"))


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "x.lock", "x.", "a..b", "a b", "x" * 101])
def test_names_that_git_or_the_file_system_rejects(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a run"):
        Request(name=name)


def test_one_flow_at_a_time_works_in_a_workspace(repository: Repository, folder: Path) -> None:
    with workspace_lock(folder):
        (found,) = [one for one in list_workspaces(repository) if one.folder == folder]
        assert found.state == "running"
        with (
            pytest.raises(UserError, match="the run plain is in progress"),
            workspace_lock(folder, seconds=0),
        ):
            pass


def test_a_flow_waits_for_the_command_of_a_killed_flow(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "SECONDS_FOR_COMMAND", 0.1)
    with (
        FileLock(folder / COMMAND_LOCK),
        pytest.raises(UserError, match="is in progress"),
        workspace_lock(folder),
    ):
        pass
    with workspace_lock(folder):
        pass


def test_a_stage_holds_the_lock_of_commands(
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


def test_a_remote_repository_needs_a_state_root_and_no_password(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in ("me:secret", "secret"):
        monkeypatch.setenv("ESRGAN_REPOSITORY", f"https://{secret}@host/esrgan.git")
        with pytest.raises(UserError, match="contains a password or token") as caught:
            find_repository()
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("ESRGAN_REPOSITORY", f"file://{repository.address}")
    with pytest.raises(UserError, match="is remote: set ESRGAN_STATE"):
        find_repository()
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    folder = prepare(find_repository(), PLAIN)
    assert folder == tmp_path / "state" / "runs" / "plain"
    assert str(tmp_path / "state" / "cache") in (folder / ".dvc" / "config.local").read_text()
    monkeypatch.setenv("ESRGAN_REPOSITORY", f"file://{tmp_path}/nowhere")
    with pytest.raises(CommandError, match="git clone"):
        prepare(find_repository(), Request(name="x"))
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(tmp_path))
    with pytest.raises(UserError, match="is not a git repository"):
        find_repository()


def test_an_experiment_is_not_replaced_by_one_with_another_recipe(
    repository: Repository, folder: Path
) -> None:
    assert find_experiment(folder) == ""
    run = command_in(folder)
    run("dvc", "repro")
    save(folder, lambda command: run(*command))
    (found,) = [one for one in list_workspaces(repository) if one.folder == folder]
    assert found.state == "unsaved", "not pushed yet"
    push(folder, lambda command: run(*command))
    assert "plain" in command_in(Path(repository.address))("dvc", "exp", "list", "--name-only")
    (found,) = [one for one in list_workspaces(repository) if one.folder == folder]
    assert found.state == "saved"
    # the same run in a new workspace
    (folder / "mark").touch()
    assert not remove(repository, found), "changed since it was listed"
    (folder / "mark").unlink()
    (found,) = [one for one in list_workspaces(repository) if one.folder == folder]
    assert remove(repository, found)
    assert not folder.exists()
    folder = prepare(repository, PLAIN)
    finish(folder)
    shutil.rmtree(folder)
    folder = prepare(repository, Request(name="plain", overrides={"pretrain.steps": 80}))
    with pytest.raises(UserError, match="already has an experiment plain with another recipe"):
        find_experiment(folder)
    shutil.rmtree(folder)


def test_a_run_keeps_its_commit_and_a_newer_one_is_found(
    repository: Repository, folder: Path
) -> None:
    assert repository.newer_commit(folder) == ""
    run = command_in(Path(repository.address))
    run("git", "commit", "--quiet", "--allow-empty", "--message", "newer")
    assert prepare(repository, PLAIN) == folder
    assert repository.newer_commit(folder) == git(["rev-parse", "HEAD"], Path(repository.address))
    shutil.rmtree(folder)


def test_a_relative_path_of_a_remote_is_relative_to_the_repository(
    repository: Repository, project: Path
) -> None:
    run = command_in(project)
    run("dvc", "remote", "add", "--default", "--local", "store", "../store")
    folder = prepare(repository, Request(name="stored"))
    finish(folder)
    assert any((project.parent / "store").iterdir())
    run("dvc", "remote", "remove", "--local", "store")
    shutil.rmtree(folder)


def test_imported_data_without_a_cache_is_imported_again(
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

    def pull(*, update: bool) -> str:
        for path in ("data", ".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(path, ignore_errors=True)
        with disable_run_logger():
            run_stage.fn(node, update=update)
        return Path("data/a.txt").read_text()

    assert pull(update=False) == "one"
    (origin / "a.txt").write_text("two")
    with pytest.raises(StageError, match=r"data\.dvc: the data has changed at its source"):
        pull(update=False)
    assert Path("data.dvc").read_text() == committed
    assert pull(update=True) == "two"


def test_results_that_the_lock_lost_are_found_among_earlier_runs(
    repository: Repository, project: Path
) -> None:
    run = command_in(project)
    here = prepare(repository, Request(name="here"))
    assert git(["status", "--porcelain", "dvc.lock"], here) == ""
    outs = read_yaml(project / "dvc.lock")["stages"]["download"]["outs"]
    (record,) = [out for out in outs if out["path"] == "artifacts/download/run.json"]
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock.replace(record["md5"], "a" * 32))
    run("git", "commit", "--quiet", "--all", "--message", "locked elsewhere")
    elsewhere = prepare(repository, Request(name="elsewhere"))
    for folder in (here, elsewhere):
        printed = command_in(folder)("dvc", "repro")
        assert "Stage 'download' is cached - skipping run" in printed
        assert "Running" not in printed
        shutil.rmtree(folder)


def test_uncommitted_changes_are_listed(repository: Repository) -> None:
    assert repository.changed_files() == []
    path = Path(repository.address) / "params.yaml"
    text = path.read_text()
    path.write_text(f"{text}# changed\n")
    assert repository.changed_files() == ["params.yaml"]
    path.write_text(text)
