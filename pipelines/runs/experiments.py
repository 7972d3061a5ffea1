"""Finished runs as DVC experiments, and the folders that runs leave."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from esrgan_core.files import write_text
from pipelines.config.params import PARAMS
from pipelines.runs.workspace import Repository, WorkspaceError, lock_of, making_lock_of
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.shell import git, output, resolve_commit
from pipelines.training.results import note_kept

SAVED = Path(".git", "esrgan-saved")
"""In a workspace, says which commit the repository has its experiment as."""
State = Literal["running", "saved", "unsaved"]
Runner = Callable[[list[str]], object]
"""Runs a command in the workspace, and raises if it fails."""


def save(folder: Path, run: Runner) -> None:
    """Save a finished run as a DVC experiment of its name, in its own folder.

    Raises:
        WorkspaceError: if the repository has another recipe's experiment of that name.
        CommandError: if the repository cannot be asked.
    """
    there = check_experiment_name(folder)
    if there and _is_as_in(folder, there):
        return
    # DVC leaves out new files that git does not know: metrics, and the lock where there was none
    git(["add", "--all"], folder)
    run(["dvc", "exp", "save", "--force", "--name", folder.name])


def push(folder: Path, run: Runner) -> None:
    """Push a saved run to the repository, and its files to the DVC remote if there is one."""
    cache = [] if has_remote(folder) else ["--no-cache"]
    run(["dvc", "exp", "push", "--force", *cache, "origin", folder.name])
    write_text(folder / SAVED, resolve_commit(_reference(folder), folder))


def check_experiment_name(folder: Path) -> str:
    """The commit of the experiment that the repository has of a run's name; "" if it has none.

    Raises:
        WorkspaceError: if that is another run's, which had another recipe.
        CommandError: if the repository cannot be asked.
    """
    reference = _reference(folder)
    if not git(["ls-remote", "origin", reference], folder):
        return ""
    git(["fetch", "--quiet", "origin", f"+{reference}:{reference}"], folder)
    there = resolve_commit(reference, folder)
    if git(["diff", "--name-only", there, "--", str(PARAMS)], folder):
        raise WorkspaceError(
            f"the repository has another experiment {folder.name} already; "
            f"`dvc exp remove {folder.name}` there, or take another name"
        )
    return there


def _reference(folder: Path) -> str:
    """Where git has a run's experiment."""
    head = git(["rev-parse", "HEAD"], folder)
    return f"refs/exps/{head[:2]}/{head[2:]}/{folder.name}"


def has_remote(folder: Path) -> bool:
    """Whether DVC has a remote that it uses by default."""
    return bool(output(["dvc", "config", "core.remote"], folder, fails=True))


def _is_as_in(folder: Path, reference: str) -> bool:
    """Whether a workspace's files are those of a commit."""
    git(["add", "--all"], folder)
    # DVC's commits have a file of its own there
    others = [".", ":!.dvc/tmp"]
    return not git(["diff", "--cached", "--name-only", reference, "--", *others], folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """One run's folder."""

    folder: Path
    state: State
    used: datetime
    """When a flow last began or ended in it."""


def workspaces(source: Repository) -> Iterator[Workspace]:
    """All runs' folders, the oldest first."""
    found = [path.parent for path in source.runs.glob("[!.]*/.git")]
    for folder in sorted(found, key=lambda path: path.stat().st_mtime):
        with _looked_at(folder) as one:
            pass
        if one:
            yield one


def remove(source: Repository, one: Workspace) -> bool:
    """Remove a run's folder if it still is as it was found; whether it was."""
    with _looked_at(one.folder) as now:
        if now != one:
            return False
        note_kept(source.state, one.folder)
        remove_tree(one.folder)
    return True


@contextmanager
def _looked_at(folder: Path) -> Iterator[Workspace | None]:
    """What a folder is, in which no flow begins meanwhile; None if it is gone."""
    with ExitStack() as held:
        held.enter_context(FileLock(making_lock_of(folder)))
        if not folder.is_dir():
            yield None
            return
        used = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        try:
            held.enter_context(FileLock(lock_of(folder), timeout=0))
            state = _state(folder)
        except Timeout:
            state = "running"
        yield Workspace(folder=folder, state=state, used=used)


def _state(folder: Path) -> State:
    note = folder / SAVED
    if not note.is_file() or not _is_as_in(folder, note.read_text(encoding="utf-8")):
        return "unsaved"
    # what DVC tracks may have been changed, too
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--quiet"], cwd=folder, check=False
    )
    return "unsaved" if status.returncode else "saved"
