"""Training states on disk: written atomically, verified by sha256 before they are loaded."""

import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from esrgan_core.files import atomic_path, file_sha256, write_text
from esrgan_core.strict_json import to_json

HEADROOM = 1.1
"""Free space to require, as a multiple of the state's size."""


class Checkpoints:
    """The states of one training in one folder.

    Saving keeps the newest `keep` up to its step; later ones belong to a longer run, which
    continues from them. A state is `step_N.pt`; its manifest `step_N.json` with the sha256 is
    written last, so a state without a manifest is incomplete and ignored.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, parts: Mapping[str, Any]) -> None:
        """Save the state dict of every part after `step`, then delete old states.

        Raises:
            FloatingPointError: if a value is not finite, since no training should continue from it.
            OSError: if there is no space, or it cannot be written; old states are kept.
        """
        path = self._path(step)
        state = {name: part.state_dict() for name, part in parts.items()}
        needed, free = sum(t.nbytes for t in _tensors(state)), shutil.disk_usage(self.folder).free
        if free < needed * HEADROOM:
            raise OSError(f"{self.folder} has {free >> 20} MiB free, a state needs {needed >> 20}")
        if not all(bool(tensor.isfinite().all()) for tensor in _tensors(state)):
            raise FloatingPointError("weights or moments are not finite")
        with atomic_path(path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # torch's error for a failed write
                raise OSError(f"{path} could not be written ({error})") from error
        write_text(path.with_suffix(".json"), manifest_text(step, file_sha256(path)))
        for old in [one for one in self.steps() if one <= step][: -self.keep]:
            self._path(old).with_suffix(".json").unlink()
            self._path(old).unlink()

    def remove_partial_writes(self) -> None:
        """Remove the files of interrupted writes; no other process may be saving here."""
        for left in self.folder.glob(".*.tmp*"):
            left.unlink()

    def steps(self) -> list[int]:
        """Steps of the complete states, ascending."""
        return self.steps_in(self.folder)

    @staticmethod
    def steps_in(folder: Path) -> list[int]:
        """Steps of the complete states in a folder, ascending; empty if there is no folder."""
        found = (re.fullmatch(r"step_(\d+)\.json", path.name) for path in folder.glob("*.json"))
        return sorted(int(match[1]) for match in found if match)

    def restore(self, parts: Mapping[str, Any], *, at_most: int) -> int | None:
        """Load the newest intact state up to step `at_most`; return its step, or None.

        Warns of damaged states and tries the previous one.
        """
        for step in reversed([step for step in self.steps() if step <= at_most]):
            path = self._path(step)
            if not self._is_intact(path, step):
                warnings.warn(f"{path} is damaged; trying the previous one", stacklevel=2)
                continue
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            return step
        return None

    def _is_intact(self, path: Path, step: int) -> bool:
        """Whether the state matches its manifest."""
        if not path.is_file():
            return False
        text = manifest_text(step, file_sha256(path))
        return path.with_suffix(".json").read_bytes() == text.encode()

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:08}.pt"


def manifest_text(step: int, sha256: str) -> str:
    """Content of a state's manifest, to the byte."""
    return to_json({"step": step, "sha256": sha256}) + "\n"


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for inner in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(inner)
