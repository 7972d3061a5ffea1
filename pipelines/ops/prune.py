"""What trainings leave under the state root, and which of it nothing needs any more."""

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
"""Folders of the state root whose content can be made or fetched again."""
State = Literal["running", "unfinished", "unlocked", "kept by dvc.lock", "kept by the ablation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """One checkpoint folder."""

    folder: Path
    state: State
    bytes: int

    @property
    def needless(self) -> bool:
        """Whether what it ended in is kept elsewhere."""
        return self.state.startswith("kept")


def trainings() -> Iterator[Training]:
    """All checkpoint folders, and whether a run or a lock file still needs them.

    One that is finished is needed until a `dvc.lock` names its output: DVC then has the result.
    One of the ablation is needed until its network is kept, in a cache of the state root.
    """
    for folder in sorted((state_root() / "checkpoints").glob("*/*")):
        yield Training(folder=folder, state=_state(folder), bytes=folder_bytes(folder))


def remove(training: Training) -> bool:
    """Remove a checkpoint folder, unless a training has begun there meanwhile; whether it is gone.

    The training's lock is held until all of it is removed.
    """
    try:
        with FileLock(training.folder / LOCK, timeout=0):
            if _state_of_idle(training.folder) != training.state:
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
    return _state_of_idle(folder)


def _state_of_idle(folder: Path) -> State:
    if folder.parent.name == "ablation" and ablation_network_path(folder.name).is_file():
        return "kept by the ablation"
    result = folder / RESULT
    if not result.is_file():
        return "unfinished"
    facts = from_json(result.read_text(encoding="utf-8"))
    return "kept by dvc.lock" if facts.get("kept") or is_locked(facts) else "unlocked"
