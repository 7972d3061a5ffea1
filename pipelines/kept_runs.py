"""Finished runs as DVC experiments, and the folders that runs leave."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from esrgan_core.files import write_text
from pipelines.params import PARAMS
from pipelines.shell import commit_of, git, output
from pipelines.workspace import Repository, WorkspaceError, lock_of, making_lock_of

SAVED = Path(".git", "esrgan-saved")
"""In a workspace, says which commit the repository has its experiment as."""
State = Literal["running", "saved", "unsaved"]


def save(folder: Path) -> None:
    """Save a finished run as a DVC experiment of its name, in its own folder.

    Raises:
        WorkspaceError: if the repository has an experiment of that name from elsewhere.
        CommandError: if the repository cannot be asked.
    """
    there = insist_on_name(folder)
    if there and _is_as_in(folder, there):
        return
    # DVC leaves out new files that git does not know: metrics, and the lock where there was none
    git(["add", "--all"], folder)
    output(["dvc", "exp", "save", "--force", "--name", folder.name], folder)


def push(folder: Path) -> None:
    """Push a saved run to the repository, and its files to the DVC remote if there is one.

    Raises:
        CommandError: if either does not take it.
    """
    cache = [] if has_remote(folder) else ["--no-cache"]
    output(["dvc", "exp", "push", "--force", *cache, "origin", folder.name], folder)
    write_text(folder / SAVED, commit_of(_reference(folder), folder))


def insist_on_name(folder: Path) -> str:
    """The commit of the experiment that the repository has of a run's name; "" if it has none.

    Raises:
        WorkspaceError: if that is another run's, which had another recipe.
        CommandError: if the repository cannot be asked.
    """
    reference = _reference(folder)
    if not git(["ls-remote", "origin", reference], folder):
        return ""
    git(["fetch", "--quiet", "origin", f"+{reference}:{reference}"], folder)
    there = commit_of(reference, folder)
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
    """All runs' folders, the oldest first; none begins in one while it is looked at."""
    found = [path.parent for path in source.runs.glob("[!.]*/.git")]
    for folder in sorted(found, key=lambda path: path.stat().st_mtime):
        with ExitStack() as held:
            held.enter_context(FileLock(making_lock_of(folder)))
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
