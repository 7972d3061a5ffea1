"""Training states on disk: written atomically, checked by sha256 before they are believed."""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from esrgan_core.files import atomic_path, sha256_of, write_text

KEEP = 2


class Checkpoints:
    """The states of one training run in one folder, the newest `KEEP` of them.

    A state is `step_N.pt`; its manifest `step_N.json` with the sha256 is written last, so a
    state without one was interrupted and does not count.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, parts: Mapping[str, Any]) -> None:
        """Save the state dict of every part after `step`, then drop the oldest states."""
        path = self.folder / f"step_{step:08}.pt"
        with atomic_path(path) as temporary:
            torch.save({name: part.state_dict() for name, part in parts.items()}, temporary)
        manifest = {"step": step, "sha256": sha256_of(path)}
        write_text(path.with_suffix(".json"), json.dumps(manifest) + "\n")
        for old in self.steps()[:-KEEP]:
            self._state(old).with_suffix(".json").unlink()
            self._state(old).unlink()

    def steps(self) -> list[int]:
        """Steps of the complete states, ascending."""
        found = (re.fullmatch(r"step_(\d+)\.json", path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def restore(self, parts: Mapping[str, Any], *, at_most: int) -> int:
        """Load the newest intact state up to step `at_most`; return its step, 0 if none is.

        Warns of a state that is damaged and goes back to the one before.
        """
        for step in reversed([step for step in self.steps() if step <= at_most]):
            path = self._state(step)
            manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if not path.is_file() or sha256_of(path) != manifest["sha256"]:
                warnings.warn(f"{path} is damaged; going back to the one before", stacklevel=2)
                continue
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            return step
        return 0

    def _state(self, step: int) -> Path:
        return self.folder / f"step_{step:08}.pt"
