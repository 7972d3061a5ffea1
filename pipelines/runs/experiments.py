"""Finished runs as DVC experiments, and the state and removal of their workspaces."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from esrgan_core.files import write_text
from pipelines.config.errors import UserError
from pipelines.config.params import PARAMS
from pipelines.runs.repository import Repository, default_remote
from pipelines.runs.workspace import FLOW_LOCK, creation_lock_path
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.shell import git, output, resolve_commit
from pipelines.training.results import note_kept

SAVED = Path(".git", "esrgan-saved")
"""File in a workspace with the commit of the experiment that the repository has."""
State = Literal["running", "saved", "unsaved"]


def save(folder: Path, run: Callable[[list[str]], object]) -> None:
    """Save a finished run as the DVC experiment of its name; raises as `find_experiment`, `run`."""
    if (commit := find_experiment(folder)) and _has_files_of(folder, commit):
        return
    # DVC does not save untracked files, such as metrics and a new lock
    git(["add", "--all"], folder)
    run(["dvc", "exp", "save", "--force", "--name", folder.name])


def push(folder: Path, run: Callable[[list[str]], object]) -> None:
    """Push a saved run to the repository, and its files to the DVC remote if there is one."""
    cache = [] if default_remote(folder) else ["--no-cache"]
    run(["dvc", "exp", "push", "--force", *cache, "origin", folder.name])
    write_text(folder / SAVED, resolve_commit(_reference(folder), folder))


def find_experiment(folder: Path) -> str:
    """The commit of the repository's experiment with the name of a run; "" if there is none.

    Raises a UserError if it has another recipe, a CommandError if the repository does not answer.
    """
    reference = _reference(folder)
    if not git(["ls-remote", "origin", reference], folder):
        return ""
    git(["fetch", "--quiet", "origin", f"+{reference}:{reference}"], folder)
    commit = resolve_commit(reference, folder)
    if git(["diff", "--name-only", commit, "--", str(PARAMS)], folder):
        raise UserError(
            f"the repository already has an experiment {folder.name} with another recipe; remove "
            f"it with `dvc exp remove {folder.name}`, or choose another name"
        )
    return commit


def _reference(folder: Path) -> str:
    head = git(["rev-parse", "HEAD"], folder)
    return f"refs/exps/{head[:2]}/{head[2:]}/{folder.name}"


def _has_files_of(folder: Path, commit: str) -> bool:
    git(["add", "--all"], folder)
    # commits of DVC contain a temporary file of it
    return not git(["diff", "--cached", "--name-only", commit, "--", ".", ":!.dvc/tmp"], folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """The folder of one run."""

    folder: Path
    state: State
    used: datetime
    """When a flow last started or ended in it."""


def list_workspaces(repository: Repository) -> Iterator[Workspace]:
    """All workspaces, the oldest first."""
    folders = [path.parent for path in repository.runs.glob("[!.]*/.git")]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime):
        with _inspected(folder) as workspace:
            pass
        if workspace:
            yield workspace


def remove(repository: Repository, workspace: Workspace) -> bool:
    """Remove a workspace unless it has changed since it was listed; returns whether it did."""
    with _inspected(workspace.folder) as current:
        if current != workspace:
            return False
        note_kept(repository.state, workspace.folder)
        remove_tree(workspace.folder)
    return True


@contextmanager
def _inspected(folder: Path) -> Iterator[Workspace | None]:
    """A workspace, in which no flow can start until the block ends; None if it was removed."""
    with ExitStack() as locks:
        locks.enter_context(FileLock(creation_lock_path(folder)))
        if not folder.is_dir():
            yield None
            return
        used = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        try:
            locks.enter_context(FileLock(folder / FLOW_LOCK, timeout=0))
            state = _state(folder)
        except Timeout:
            state = "running"
        yield Workspace(folder=folder, state=state, used=used)


def _state(folder: Path) -> State:
    saved = folder / SAVED
    if not saved.is_file() or not _has_files_of(folder, saved.read_text(encoding="utf-8")):
        return "unsaved"
    # git does not see changes of files that DVC tracks
    changes = output(["dvc", "status", "--json"], folder, check=False)
    return "saved" if changes == "{}" else "unsaved"
