"""Checkpoints and caches below the state root that can be removed."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from esrgan_core.strict_json import from_json
from pipelines.runtime.disk import folder_bytes
from pipelines.runtime.state import ablation_network_path, state_root
from pipelines.training.locks import LOCK
from pipelines.training.results import RESULT, is_locked

CACHES = ("prepared", "sources", "models", "conditions", "ablation")
"""Folders of the state root whose files can be created or downloaded again."""
State = Literal["running", "unfinished", "unlocked", "kept by dvc.lock", "kept by the ablation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """One checkpoint folder."""

    folder: Path
    state: State
    bytes: int

    @property
    def is_kept(self) -> bool:
        """Whether its result is kept elsewhere, so that nothing needs the checkpoints."""
        return self.state.startswith("kept")


def prune(*, unfinished: bool, caches: bool, dry_run: bool) -> Iterator[str]:
    """Remove checkpoints whose result is kept elsewhere; yields a line for each folder."""
    freed = 0
    for training in list_trainings():
        is_removed = training.is_kept or (unfinished and training.state != "running")
        yield _line(training.folder, training.bytes, training.state, is_removed=is_removed)
        if is_removed and (dry_run or remove(training)):
            freed += training.bytes
    for folder in (state_root() / name for name in CACHES):
        size = folder_bytes(folder)
        yield _line(folder, size, "cache", is_removed=caches)
        if caches:
            freed += size
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
    yield f"{'would free' if dry_run else 'freed'} {freed / 2**20:.1f} MiB"


def _line(folder: Path, size: int, state: str, *, is_removed: bool) -> str:
    return f"{'remove' if is_removed else 'keep'}  {folder}  {size / 2**20:.1f} MiB  {state}"


def list_trainings() -> Iterator[Training]:
    """All checkpoint folders, and whether a run or a lock file still needs them.

    A finished training is needed until a `dvc.lock` names its output, which DVC then has; one of
    the ablation until its network is in the cache.
    """
    for folder in sorted((state_root() / "checkpoints").glob("*/*")):
        yield Training(folder=folder, state=_state(folder), bytes=folder_bytes(folder))


def remove(training: Training) -> bool:
    """Remove a checkpoint folder, under its lock, if its state has not changed; whether it did."""
    try:
        with FileLock(training.folder / LOCK, timeout=0):
            if _idle_state(training.folder) != training.state:
                return False
            shutil.rmtree(training.folder)
    except Timeout:
        return False
    return True


def _state(folder: Path) -> State:
    try:
        with FileLock(folder / LOCK, timeout=0):
            pass
    except Timeout:
        return "running"
    return _idle_state(folder)


def _idle_state(folder: Path) -> State:
    if folder.parent.name == "ablation" and ablation_network_path(folder.name).is_file():
        return "kept by the ablation"
    result = folder / RESULT
    if not result.is_file():
        return "unfinished"
    facts = from_json(result.read_text(encoding="utf-8"))
    return "kept by dvc.lock" if facts.get("kept") or is_locked(facts) else "unlocked"
