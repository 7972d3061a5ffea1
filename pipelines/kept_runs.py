"""Finished runs as DVC experiments, and the folders that runs leave."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from esrgan_core.files import write_text
from pipelines.shell import commit_of, git, output
from pipelines.workspace import Repository, WorkspaceError, lock_of

SAVED = Path(".git", "esrgan-saved")
"""In a workspace, says which commit its experiment was saved as."""
State = Literal["running", "saved", "unsaved"]


def save(folder: Path) -> str:
    """Save a finished run as a DVC experiment of its name; the reference that it lies under.

    Raises:
        WorkspaceError: if the repository has an experiment of that name from elsewhere.
    """
    name, head = folder.name, git(["rev-parse", "HEAD"], folder)
    reference = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
    own = _read(folder / SAVED)
    fetch = ["git", "fetch", "--quiet", "origin", f"+{reference}:{reference}"]
    output(fetch, folder, fails=True)  # it may not be there
    there = commit_of(reference, folder)
    if there and _is_as_in(folder, reference):
        write_text(folder / SAVED, there)
        return reference
    if there and there != own:
        raise WorkspaceError(
            f"the repository has another experiment {name} already; `dvc exp remove {name}` there, "
            "or take another name"
        )
    # DVC leaves out new files that git does not know: metrics, and the lock where there was none
    git(["add", "--all"], folder)
    output(["dvc", "exp", "save", "--force", "--name", name], folder)
    write_text(folder / SAVED, commit_of(reference, folder))
    return reference


def push(folder: Path) -> None:
    """Push a saved run to the repository, and its files to the DVC remote if there is one."""
    cache = [] if has_remote(folder) else ["--no-cache"]
    output(["dvc", "exp", "push", "--force", *cache, "origin", folder.name], folder)


def has_remote(folder: Path) -> bool:
    """Whether DVC has a remote that it uses by default."""
    return bool(output(["dvc", "config", "core.remote"], folder, fails=True))


def _is_as_in(folder: Path, reference: str) -> bool:
    """Whether a workspace's files are those of a commit."""
    git(["add", "--all"], folder)
    # DVC's commits have a file of its own there
    others = [".", ":!.dvc/tmp"]
    return not git(["diff", "--cached", "--name-only", reference, "--", *others], folder)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


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
        used = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        yield Workspace(folder=folder, state=_state(folder), used=used)


def _state(folder: Path) -> State:
    try:
        with FileLock(lock_of(folder), timeout=0):
            pass
    except Timeout:
        return "running"
    saved = _read(folder / SAVED)
    if not saved or not _is_as_in(folder, saved):
        return "unsaved"
    # what DVC tracks may have been changed, too
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--quiet"], cwd=folder, check=False
    )
    return "unsaved" if status.returncode else "saved"
