"""Training states on disk: written atomically, checked by sha256 before they are believed."""

import json
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from esrgan_core.files import atomic_path, sha256_of, write_text

KEEP = 2
HEADROOM = 1.1
"""Room that must be free, in sizes of the state."""


class Checkpoints:
    """The states of one training run in one folder, the newest `KEEP` of them.

    A state is `step_N.pt`; its manifest `step_N.json` with the sha256 is written last, so a
    state without one was interrupted and does not count.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, parts: Mapping[str, Any]) -> None:
        """Save the state dict of every part after `step`, then drop the oldest states.

        Raises:
            OSError: if there is no room for it, or it cannot be written; the states before stay.
        """
        path = self.folder / f"step_{step:08}.pt"
        state = {name: part.state_dict() for name, part in parts.items()}
        needed, free = _bytes_of(state), shutil.disk_usage(self.folder).free
        if free < needed * HEADROOM:
            raise OSError(f"{self.folder} has {free >> 20} MiB free, a state takes {needed >> 20}")
        with atomic_path(path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # how torch says that the system would not write
                raise OSError(f"{path} could not be written ({error})") from error
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
            if not self._intact(path):
                warnings.warn(f"{path} is damaged; going back to the one before", stacklevel=2)
                continue
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            return step
        return 0

    def _intact(self, path: Path) -> bool:
        try:
            manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            return path.is_file() and bool(sha256_of(path) == manifest["sha256"])
        except (ValueError, KeyError, TypeError):
            return False

    def _state(self, step: int) -> Path:
        return self.folder / f"step_{step:08}.pt"


def _bytes_of(state: Any) -> int:
    """Bytes of all tensors in nested containers."""
    if isinstance(state, torch.Tensor):
        return state.nbytes
    if isinstance(state, Mapping):
        return sum(map(_bytes_of, state.values()))
    return sum(map(_bytes_of, state)) if isinstance(state, list | tuple) else 0
