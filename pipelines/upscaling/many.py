"""Many images one after the other, with progress."""

import errno
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.io.reading import image_size
from esrgan_core.io.rgb import BadImageError
from esrgan_core.memory import free_memory
from pipelines.runtime.progress import progress
from pipelines.upscaling.jobs import Job, Outcome, Output
from pipelines.upscaling.journal import Journal, alone, key_of, stamp_of
from pipelines.upscaling.model import Model
from pipelines.upscaling.one import upscale_file

KILO = 1000


def upscale_all(
    model: Model,
    config: UpscaleConfig,
    jobs: Sequence[Job],
    folder: Path,
    output: Output,
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Do all jobs into a folder; one that fails costs itself alone.

    Raises:
        OSError: if the disk is full, or another process upscales into the folder.
    """
    upscaler = Upscaler(model.network, config, free_memory=free_memory, say=say)
    sizes = {job: _pixels(job) for job in jobs}
    done = 0
    with alone(folder), progress("upscale", sum(sizes.values())) as advance:
        journal = Journal(folder, key_of(model, config, output))
        for number, job in enumerate(jobs, start=1):
            note = f"{number}/{len(jobs)} {job.source.name}"

            def on_part(
                parts: int, of: int, done: int = done, job: Job = job, note: str = note
            ) -> None:
                if parts < of:
                    advance(done + sizes[job] * parts // of, note)

            yield _outcome(upscaler, journal, job, output, overwrite, on_part)
            done += sizes[job]
            advance(done, note)


def upscale_single(model: Model, config: UpscaleConfig, job: Job, output: Output) -> Outcome:
    """Do one job, whose target is replaced if it is there."""
    upscaler = Upscaler(model.network, config, free_memory=free_memory, say=say)
    size = _pixels(job)
    try:
        with progress("upscale", size) as advance:
            changes = upscale_file(
                upscaler,
                job,
                output,
                lambda parts, of: advance(size * parts // of, job.source.name),
            )
    except (BadImageError, MemoryError) as error:
        return _said(job, "failed", str(error))
    return _said(job, "done", "; ".join(changes))


def _outcome(
    upscaler: Upscaler,
    journal: Journal,
    job: Job,
    output: Output,
    overwrite: bool,
    on_part: Callable[[int, int], None],
) -> Outcome:
    try:
        stamp = stamp_of(job.source)
        known = journal.ask(str(job.source), job.target, stamp, overwrite=overwrite)
        if known is not None:
            return known
        changes = upscale_file(upscaler, job, output, on_part)
        journal.end(job.target, stamp)
        return _said(job, "done", "; ".join(changes))
    except (BadImageError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _said(job, "failed", str(error) or type(error).__name__)


def _said(job: Job, state: Literal["done", "failed"], words: str) -> Outcome:
    return Outcome(source=str(job.source), target=str(job.target), state=state, words=words)


def _pixels(job: Job) -> int:
    """Thousands of pixels, by which the time left is told; 1 for what cannot be read."""
    try:
        return max(int(np.prod(image_size(job.source))) // KILO, 1)
    except (BadImageError, OSError):
        return 1


def say(words: str) -> None:
    """Tell a person something on standard error."""
    print(words, file=sys.stderr, flush=True)
