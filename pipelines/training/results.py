"""Which file a training produced, noted in its checkpoint folder."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.params import ParamsError, read_yaml

RESULT = "result.json"


def write_result(folder: Path, output: Path) -> None:
    """Note in a checkpoint folder which file its training produced, and in which repository."""
    repository = Path(os.environ.get("DVC_ROOT", ".")).absolute()
    # MD5 is the hash by which DVC identifies a file
    with output.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    content = {"repository": str(repository), "output": str(output), "md5": md5}
    write_text(folder / RESULT, to_json(content, indent=2) + "\n")


def note_kept(root: Path, repository: Path) -> None:
    """Note which results in a state root the `dvc.lock` of a repository names, before removal."""
    for note in (root / "checkpoints").glob(f"*/*/{RESULT}"):
        facts = from_json(note.read_text(encoding="utf-8"))
        if Path(facts["repository"]).resolve() == repository.resolve() and is_locked(facts):
            write_text(note, to_json({**facts, "kept": True}, indent=2) + "\n")


def is_locked(facts: Mapping[str, Any]) -> bool:
    """Whether the `dvc.lock` of the repository names the file that a result note describes."""
    try:
        lock = read_yaml(Path(facts["repository"]) / "dvc.lock")
    except ParamsError:
        return False
    outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
    return any(out["path"] == facts["output"] and out.get("md5") == facts["md5"] for out in outs)
