"""The images of one command, one after another, with progress."""

import errno
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoding import reason
from esrgan_core.io.reading import image_size
from esrgan_core.memory import free_memory
from pipelines.config.errors import UserError, as_user_error
from pipelines.runtime.messages import warn
from pipelines.runtime.progress import progress
from pipelines.upscaling.engines import choose_engine
from pipelines.upscaling.jobs import STANDARD, Job, Outcome, Output
from pipelines.upscaling.journal import check_writable, file_stamp, open_journal, settings_key
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

    Results in the folder `target` that are finished are skipped. `target` may also be the path of
    the only result.

    Raises:
        OSError: if the disk is full.
        UserError: if another process writes to the folder, `target` exists and is not to be
            overwritten or cannot be written, or the device cannot be used.
    """
    if jobs[0].target == target and str(target) != STANDARD:
        _check_file(target, overwrite=overwrite)
    config = choose_engine(config, model.network, warn)
    with as_user_error():
        upscaler = Upscaler(model.network, config, free_memory=free_memory, log=warn)
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
            except Exception as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                outcome = Outcome(source, result, "failed", reason(error))
            yield outcome
            done += sizes[job]
            advance(done, note)


def _check_file(target: Path, *, overwrite: bool) -> None:
    """Check the path of a single result, before anything is computed."""
    if target.is_dir():
        raise UserError(f"{target} is a folder; give -o the path of a file in it")
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists; --overwrite replaces it")
    check_writable(target.parent)


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
    except Exception:  # the image is named when its turn comes
        return 1
