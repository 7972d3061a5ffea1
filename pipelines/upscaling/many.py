"""The images of one command, one after another, with progress."""

import errno
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import image_size
from esrgan_core.memory import free_memory
from pipelines.config.errors import as_user_error
from pipelines.runtime.progress import progress
from pipelines.upscaling.jobs import STANDARD, Job, Outcome, Output
from pipelines.upscaling.journal import file_stamp, open_journal, settings_key
from pipelines.upscaling.model import Model
from pipelines.upscaling.one import upscale_file


def upscale_jobs(
    model: Model,
    config: UpscaleConfig,
    jobs: Sequence[Job],
    target: Path,
    output: Output,
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Run all jobs of `find_jobs`; an image that fails does not stop the others.

    Results in the folder `target` that are finished are skipped. If `target` is the path of the
    only result, it is overwritten.

    Raises:
        OSError: if the disk is full.
        UserError: if another process writes to the folder, or the device cannot be used.
    """
    with as_user_error():
        log = partial(print, file=sys.stderr, flush=True)
        upscaler = Upscaler(model.network, config, free_memory=free_memory, log=log)
    sizes = {job: _kilopixels(job.source) for job in jobs}
    done = 0
    with ExitStack() as stack:
        journal = None
        if jobs[0].target != target:
            key = settings_key(model, config, output)
            journal = stack.enter_context(open_journal(target, key))
        advance = stack.enter_context(progress("upscale", sum(sizes.values())))
        for number, job in enumerate(jobs, start=1):
            note = f"{number}/{len(jobs)} {job.source.name}"
            source, result = str(job.source), str(job.target)

            def on_part(
                parts: int, total: int, done: int = done, job: Job = job, note: str = note
            ) -> None:
                if parts < total:
                    advance(done + sizes[job] * parts // total, note)

            try:
                outcome = None
                if journal:
                    stamp = file_stamp(job.source)
                    outcome = journal.begin(source, job.target, stamp, overwrite=overwrite)
                if outcome is None:
                    changes = _upscale(upscaler, job, output, on_part)
                    outcome = Outcome(source, result, "done", "; ".join(changes))
                    if journal:
                        journal.finish(job.target, stamp)
            except (BadImageError, MemoryError, OSError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                outcome = Outcome(source, result, "failed", str(error) or type(error).__name__)
            yield outcome
            done += sizes[job]
            advance(done, note)


def _upscale(
    upscaler: Upscaler, job: Job, output: Output, on_part: Callable[[int, int], None]
) -> tuple[str, ...]:
    """Run one job, whose source or target may be a pipe."""
    from_pipe, to_pipe = (str(path) == STANDARD for path in (job.source, job.target))
    source = BytesIO(sys.stdin.buffer.read()) if from_pipe else job.source
    if not to_pipe:
        return upscale_file(upscaler, source, job.target, output, on_part)
    with TemporaryDirectory() as folder:
        result = Path(folder) / f"result{output.suffix_for(job.source)}"
        changes = upscale_file(upscaler, source, result, output, on_part)
        sys.stdout.buffer.write(result.read_bytes())
        sys.stdout.buffer.flush()
    return changes


def _kilopixels(source: Path) -> int:
    """The size of an image as a unit of progress; 1 if it cannot be read."""
    try:
        return max(int(np.prod(image_size(source))) // 1000, 1)
    except (BadImageError, OSError):
        return 1
