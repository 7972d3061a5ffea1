"""What trainings leave under the state root, and which of it nothing needs any more."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.guardian import LOCK
from pipelines.params import ParamsError, read_yaml
from pipelines.paths import ablation_network, state_root

RESULT = "result.json"
CACHES = ("prepared", "sources", "models", "conditions", "ablation")
"""Folders of the state root whose content can be made or fetched again."""
State = Literal["running", "unfinished", "unlocked", "kept by dvc.lock", "kept by the ablation"]


def write_result(folder: Path, output: Path) -> None:
    """Note in a checkpoint folder which file its training ended in, and in which repository."""
    repository = Path(os.environ.get("DVC_ROOT", ".")).absolute()
    content = {"repository": str(repository), "output": str(output), "md5": _md5(output)}
    write_text(folder / RESULT, to_json(content, indent=2) + "\n")


def note_kept(root: Path, repository: Path) -> None:
    """Note which trainings' results a repository's `dvc.lock` names, before it is removed.

    Args:
        root: the state root that has their checkpoints.
        repository: the folder that will go.
    """
    for note in (root / "checkpoints").glob(f"*/*/{RESULT}"):
        facts = from_json(note.read_text(encoding="utf-8"))
        if Path(facts["repository"]).resolve() == repository.resolve() and _locked(facts):
            write_text(note, to_json({**facts, "kept": True}, indent=2) + "\n")


def _md5(path: Path) -> str:
    # the name by which DVC knows a file
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


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
        yield Training(folder=folder, state=_state(folder), bytes=bytes_in(folder))


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


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder; what another folder links to counts all the same."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _state(folder: Path) -> State:
    try:
        with FileLock(folder / LOCK, timeout=0):
            pass
    except Timeout:
        return "running"
    return _state_of_idle(folder)


def _state_of_idle(folder: Path) -> State:
    if folder.parent.name == "ablation" and ablation_network(folder.name).is_file():
        return "kept by the ablation"
    result = folder / RESULT
    if not result.is_file():
        return "unfinished"
    facts = from_json(result.read_text(encoding="utf-8"))
    return "kept by dvc.lock" if facts.get("kept") or _locked(facts) else "unlocked"


def _locked(facts: Mapping[str, Any]) -> bool:
    try:
        lock = read_yaml(Path(facts["repository"]) / "dvc.lock")
    except ParamsError:
        return False
    outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
    return any(out["path"] == facts["output"] and out.get("md5") == facts["md5"] for out in outs)
