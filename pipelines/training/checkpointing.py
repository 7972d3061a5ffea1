"""Checkpoints of a training: saving, restoring, and what is rewound with them."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.journal import Row, is_validation
from pipelines.runtime.state import state_root
from pipelines.training.reporting import Reporter

SAMPLES = "samples"
"""Folder of the validation images in a checkpoint folder."""


def checkpoint_folder(stage: str, fingerprint: str) -> Path:
    """The folder of a training's checkpoints, journal and validation images."""
    return state_root() / "checkpoints" / stage / fingerprint


class Checkpointer:
    """Saves the parts of a training, by name, and restores them."""

    def __init__(self, parts: Mapping[str, Any], reporter: Reporter) -> None:
        self.parts, self.reporter, self.config = parts, reporter, reporter.config
        self.checkpoints = Checkpoints(reporter.folder, keep=self.config.keep)
        self.saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is older than `save_minutes`."""
        return time.monotonic() - self.saved_at > 60 * self.config.save_minutes

    def save(self, step: int) -> None:
        """Save a checkpoint; log an error if it cannot be written, and continue."""
        self.saved_at = time.monotonic()
        if self.reporter.is_main:
            try:
                self.checkpoints.save(step, self.parts)
            except (OSError, FloatingPointError) as error:
                self.reporter.message(f"step {step} was not saved: {error}; training continues")

    def last_saved(self, step: int) -> int:
        """The last saved step up to `step`; the other processes rely on the main process."""
        steps = [saved for saved in self.checkpoints.steps() if saved <= step]
        return max(steps, default=0) if self.reporter.is_main else step

    def restore(self) -> int | None:
        """Restore the newest checkpoint and rewind the outputs to it; return its step, if any."""
        done = self.checkpoints.restore(self.parts, at_most=self.config.steps)
        if self.reporter.is_main:
            self.checkpoints.remove_partial_writes()
            self._rewind(-1 if done is None else done)
        return done

    def _rewind(self, done: int) -> None:
        """Rewind the journal and the validation images; keep those of checkpoints of longer runs.

        Entries between the regular intervals are removed: they are from the last step of a shorter
        run, and the checkpoint does not contain that validation.
        """
        config, known = self.config, max([done, *self.checkpoints.steps()])

        def is_regular(row: Row) -> bool:
            every = config.validate_every if is_validation(row) else config.report_every
            return row["step"] % every == 0

        over = done == config.steps
        self.reporter.journal.rewind(done, known=known, in_turn=is_regular, over=over)
        for images in (self.reporter.folder / SAMPLES).glob("*"):
            step = int(images.name)
            if step > known or step % config.validate_every:
                shutil.rmtree(images)
