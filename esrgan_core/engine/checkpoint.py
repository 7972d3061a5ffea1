"""Training states on disk: written atomically, checked by sha256 before they are believed."""

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
"""Room that must be free, in sizes of the state."""


class Checkpoints:
    """The states of one training in one folder, the newest `keep` up to the last that was saved.

    Later ones are a longer run's, which goes on from them.

    A state is `step_N.pt`; its manifest `step_N.json` with the sha256 is written last, so a
    state without one was interrupted and does not count.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        """Use `folder`, made if it is not there."""
        self.folder, self.keep = folder, keep
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, parts: Mapping[str, Any]) -> None:
        """Save the state dict of every part after `step`, then drop the oldest states before it.

        Raises:
            FloatingPointError: if something in it is not finite: nobody should go on from there.
            OSError: if there is no room for it, or it cannot be written; the states before stay.
        """
        path = self._state(step)
        state = {name: part.state_dict() for name, part in parts.items()}
        needed, free = sum(t.nbytes for t in _tensors(state)), shutil.disk_usage(self.folder).free
        if free < needed * HEADROOM:
            raise OSError(f"{self.folder} has {free >> 20} MiB free, a state takes {needed >> 20}")
        if not all(bool(tensor.isfinite().all()) for tensor in _tensors(state)):
            raise FloatingPointError("weights or moments are not finite")
        with atomic_path(path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # how torch says that the system would not write
                raise OSError(f"{path} could not be written ({error})") from error
        write_text(path.with_suffix(".json"), manifest_text(step, file_sha256(path)))
        for old in [one for one in self.steps() if one <= step][: -self.keep]:
            self._state(old).with_suffix(".json").unlink()
            self._state(old).unlink()

    def tidy(self) -> None:
        """Remove what interrupted writes have left. Nobody else may be saving here."""
        for left in self.folder.glob(".*.tmp*"):
            left.unlink()

    def steps(self) -> list[int]:
        """Steps of the complete states, ascending."""
        return self.steps_in(self.folder)

    @staticmethod
    def steps_in(folder: Path) -> list[int]:
        """Steps of the complete states in a folder, ascending; none where there is no folder."""
        found = (re.fullmatch(r"step_(\d+)\.json", path.name) for path in folder.glob("*.json"))
        return sorted(int(match[1]) for match in found if match)

    def restore(self, parts: Mapping[str, Any], *, at_most: int) -> int | None:
        """Load the newest intact state up to step `at_most`; return its step, None if none is.

        Warns of a state that is damaged and goes back to the one before.
        """
        for step in reversed([step for step in self.steps() if step <= at_most]):
            path = self._state(step)
            if not self._intact(path, step):
                warnings.warn(f"{path} is damaged; going back to the one before", stacklevel=2)
                continue
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            return step
        return None

    def _intact(self, path: Path, step: int) -> bool:
        """Whether manifest and state are, to the byte, what was written together."""
        if not path.is_file():
            return False
        text = manifest_text(step, file_sha256(path))
        return path.with_suffix(".json").read_bytes() == text.encode()

    def _state(self, step: int) -> Path:
        return self.folder / f"step_{step:08}.pt"


def manifest_text(step: int, sha256: str) -> str:
    """Content of a state's manifest, to the byte."""
    return to_json({"step": step, "sha256": sha256}) + "\n"


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested containers."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for inner in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(inner)
