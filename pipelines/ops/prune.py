"""Runs, checkpoints and caches that can be removed."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock, Timeout

from esrgan_core.strict_json import from_json
from pipelines.runs import experiments
from pipelines.runs.repository import find_repository
from pipelines.runtime.disk import folder_bytes
from pipelines.runtime.state import ablation_network_path, state_root
from pipelines.training.locks import LOCK
from pipelines.training.results import RESULT, is_locked

CACHES = ("prepared", "sources", "models", "conditions", "ablation")
"""Folders of the state root whose files can be created or downloaded again."""


class Training(NamedTuple):
    """A checkpoint folder."""

    folder: Path
    state: Literal["running", "unfinished", "unlocked", "kept by dvc.lock", "kept by the ablation"]
    """Kept: its result is kept elsewhere, so that nothing needs the checkpoints."""


def prune(*, unfinished: bool, caches: bool, dry_run: bool) -> Iterator[str]:
    """Remove checkpoints whose result is kept elsewhere; yields a line for each folder."""
    freed = 0
    for training in list_trainings():
        is_kept = training.state.startswith("kept")
        is_removed = is_kept or (unfinished and training.state != "running")
        size = folder_bytes(training.folder)
        yield _line(training.folder, size, training.state, is_removed=is_removed)
        if is_removed and (dry_run or remove(training)):
            freed += size
    for folder in (state_root() / name for name in CACHES):
        size = folder_bytes(folder)
        yield _line(folder, size, "cache", is_removed=caches)
        if caches:
            freed += size
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
    yield f"{'would free' if dry_run else 'freed'} {freed / 2**20:.1f} MiB"


def list_runs(*, prune: bool, days: float, dry_run: bool) -> Iterator[str]:
    """A line for each run's folder; `prune` removes those that are saved and unused for `days`."""
    repository = find_repository()
    for run in experiments.list_workspaces(repository):
        is_old = datetime.now(UTC) - run.used > timedelta(days=days)
        is_removed = prune and run.state == "saved" and is_old
        state = f"{run.state}  {run.used:%Y-%m-%d %H:%M}"
        yield _line(run.folder.name, folder_bytes(run.folder), state, is_removed=is_removed)
        if is_removed and not dry_run and not experiments.remove(repository, run):
            yield f"keep  {run.folder.name}: it is in use now"


def _line(folder: Path | str, size: int, state: str, *, is_removed: bool) -> str:
    return f"{'remove' if is_removed else 'keep'}  {folder}  {size / 2**20:.1f} MiB  {state}"


def list_trainings() -> Iterator[Training]:
    """All checkpoint folders, and whether a run or a lock file still needs them.

    A finished training is needed until a `dvc.lock` names its output, which DVC then has; one of
    the ablation until its network is in the cache.
    """
    for folder in sorted((state_root() / "checkpoints").glob("*/*")):
        try:
            with FileLock(folder / LOCK, timeout=0):
                pass
        except Timeout:
            yield Training(folder, "running")
        else:
            yield _idle_training(folder)


def remove(training: Training) -> bool:
    """Remove a checkpoint folder, under its lock, if its state has not changed; whether it did."""
    with suppress(Timeout), FileLock(training.folder / LOCK, timeout=0):
        if _idle_training(training.folder) == training:
            shutil.rmtree(training.folder)
            return True
    return False


def _idle_training(folder: Path) -> Training:
    if folder.parent.name == "ablation" and ablation_network_path(folder.name).is_file():
        return Training(folder, "kept by the ablation")
    result = folder / RESULT
    if not result.is_file():
        return Training(folder, "unfinished")
    facts = from_json(result.read_text(encoding="utf-8"))
    is_kept = facts.get("kept") or is_locked(facts)
    return Training(folder, "kept by dvc.lock" if is_kept else "unlocked")
