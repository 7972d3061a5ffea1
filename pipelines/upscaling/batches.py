"""A folder or an S3 prefix of images through one network, by several processes or machines.

Finished results are recorded, in the journal of a folder or in a small object for each result on
S3, since not every S3 server keeps metadata. They are skipped in the next run; each killed process
repeats at most one image.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.folder import SUFFIXES
from esrgan_core.memory import free_memory
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import UserError
from pipelines.runtime.parallel import in_parallel
from pipelines.sources.errors import HostError
from pipelines.sources.locations import S3Object, parse_s3
from pipelines.sources.s3 import (
    check_key,
    download,
    get_text,
    list_objects,
    object_size,
    put_text,
    upload,
)
from pipelines.upscaling.jobs import Outcome, Output, find_jobs, result_paths
from pipelines.upscaling.journal import (
    FOREIGN,
    Journal,
    Stamp,
    file_stamp,
    folder_lock,
    settings_key,
)
from pipelines.upscaling.model import load_model
from pipelines.upscaling.one import upscale_file

S3 = "s3://"
RECORDS_PREFIX = ".esrgan"
"""Prefix of the records, below that of the target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The images, the place of their results, and how they are upscaled."""

    source: str
    """A folder, a pattern, or `s3://bucket/prefix`."""
    target: str
    """A folder or `s3://bucket/prefix`."""
    model: str | None = None
    alpha: float | None = None
    config: UpscaleConfig = field(default_factory=UpscaleConfig)
    output: Output = field(default_factory=Output)
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTask:
    """One image of a batch."""

    batch: Batch
    source: str
    target: str
    stamp: Stamp
    key: str
    threads: int


def upscale_batch(batch: Batch, workers: int = -1) -> Iterator[Outcome]:
    """Upscale all images that have no result; an image that fails does not stop the others.

    Args:
        batch: the images and the settings.
        workers: processes on this machine, -1 for one per core; Dask's workers where
            `DASK_SCHEDULER_ADDRESS` names a scheduler.

    Raises:
        UserError: if there are no images, no model, or another process writes to the folder.
        HostError: if S3 cannot be list_objects.
        OSError: if a process was killed.
    """
    # before the images, so that a wrong model is not an error of each
    key = settings_key(load_model(batch.model, batch.alpha), batch.config, batch.output)
    processes = _cores() if workers < 0 else max(workers, 1)
    threads = max(_cores() // processes, 1)
    tasks = [
        ImageTask(batch=batch, source=source, target=target, stamp=stamp, key=key, threads=threads)
        for source, target, stamp in _find_images(batch)
    ]
    if batch.target.startswith(S3):
        # each process asks S3 about its results, since every request takes time
        yield from in_parallel(_upscale, tasks, workers, fewer="with fewer workers")
        return
    folder = Path(batch.target)
    with folder_lock(folder):
        journal = Journal(folder, key)
        todo = []
        for task in tasks:
            outcome = journal.begin(
                task.source, Path(task.target), task.stamp, overwrite=batch.overwrite
            )
            if outcome is None:
                todo.append(task)
            else:
                yield outcome
        outcomes = in_parallel(_upscale, todo, workers, fewer="with fewer workers")
        for task, outcome in zip(todo, outcomes, strict=True):
            if outcome.state == "done":
                journal.finish(Path(task.target), task.stamp)
            yield outcome


def _find_images(batch: Batch) -> Iterator[tuple[str, str, Stamp]]:
    """(source, target, stamp of the source) of every image."""
    is_remote = batch.target.startswith(S3)
    root = Path("/") if is_remote else Path(batch.target)

    def name(target: Path) -> str:
        return f"{batch.target.rstrip('/')}{target}" if is_remote else str(target)

    if not batch.source.startswith(S3):
        for job in find_jobs([batch.source], root, batch.output):
            yield str(job.source), name(job.target), file_stamp(job.source)
        return
    images, results = (f"{prefix.rstrip('/')}/" for prefix in (batch.source, batch.target))
    is_within = results != images and results.startswith(images)
    found = [
        image
        for image in list_objects(parse_s3(batch.source))
        if Path(image.path).suffix.lower() in SUFFIXES
        and not (is_within and str(image.location).startswith(results))
    ]
    if not found:
        raise UserError(f"{batch.source} contains no images")
    for image in found:
        check_key(image)
    paths = result_paths([Path(image.path) for image in found], batch.output)
    for image, path in zip(found, paths, strict=True):
        source, result = str(image.location), name(root / path)
        if source == result:
            raise UserError(f"{source} would be overwritten; give another target")
        yield source, result, [source, image.bytes, image.etag]


@lru_cache(maxsize=1)
def _make_upscaler(batch: Batch, key: str, threads: int) -> Upscaler:
    """Made once per process."""
    del key  # another version with the same alias is another network
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    network = load_model(batch.model, batch.alpha).network
    return Upscaler(network, batch.config, free_memory=lambda: free_memory() * threads // _cores())


def _cores() -> int:
    return os.cpu_count() or 1


def _upscale(task: ImageTask) -> Outcome:
    """Run one task, in any process."""
    upscale = _to_s3 if task.target.startswith(S3) else _to_file
    try:
        with TemporaryDirectory() as name:
            changes = upscale(task, Path(name))
    except (BadImageError, HostError, MemoryError, OSError) as error:
        message = str(error) or type(error).__name__
        return Outcome(source=task.source, target=task.target, state="failed", message=message)
    if changes is None:
        return Outcome(source=task.source, target=task.target, state="skipped")
    message = "; ".join(changes)
    return Outcome(source=task.source, target=task.target, state="done", message=message)


def _to_file(task: ImageTask, folder: Path, target: Path | None = None) -> tuple[str, ...]:
    source = Path(task.source)
    if task.source.startswith(S3):
        place = parse_s3(task.source)
        source = folder / Path(place.key).name
        download(place, source)
    upscaler = _make_upscaler(task.batch, task.key, task.threads)
    return upscale_file(upscaler, source, target or Path(task.target), task.batch.output)


def _to_s3(task: ImageTask, folder: Path) -> tuple[str, ...] | None:
    """Upload a result and its record; None if both exist."""
    place, root = parse_s3(task.target), parse_s3(task.batch.target)
    name = place.key.removeprefix(root.key).lstrip("/")
    key = "/".join(part for part in (root.key.rstrip("/"), RECORDS_PREFIX, f"{name}.json") if part)
    record = S3Object(bucket=place.bucket, key=key)
    size, text = object_size(place), get_text(record)
    expected = {"key": task.key, "source": task.stamp}
    if text is not None and size is not None and from_json(text) == {**expected, "bytes": size}:
        return None
    if text is None and size is not None and not task.batch.overwrite:
        raise HostError(FOREIGN.format(place))
    # before the result, so that a result without a complete record is known as one of ours
    put_text(to_json({**expected, "bytes": 0}), record)
    target = folder / f"result{Path(task.target).suffix}"
    changes = _to_file(task, folder, target)
    upload(target, place)
    put_text(to_json({**expected, "bytes": target.stat().st_size}), record)
    return changes
