"""A folder or an S3 prefix of images through one network, by several processes or machines.

Local results are noted in the folder's journal, results on S3 in a small object beside each, since
not every S3 server keeps metadata: what is done is not done again, and of what was killed at most
one image per process is redone.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.io.rgb import SUFFIXES, BadImageError
from esrgan_core.memory import free_memory
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.parallel import in_parallel
from pipelines.sources.addresses import S3Object, parse_s3
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import HostError
from pipelines.sources.s3 import (
    bytes_of,
    check_path,
    download_object,
    get_text,
    listed,
    put_text,
    upload,
)
from pipelines.sources.transfer import TransferOptions
from pipelines.upscaling.jobs import Job, Outcome, Output, find_jobs, places_of_results
from pipelines.upscaling.journal import FOREIGN, Journal, Stamp, alone, key_of, stamp_of
from pipelines.upscaling.model import load_model
from pipelines.upscaling.one import upscale_file

S3 = "s3://"
NOTES = ".esrgan"
"""Prefix below the target's on S3 that the notes lie under."""
FEWER = "with fewer workers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What goes where, and how."""

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
class Item:
    """One image of a batch."""

    batch: Batch
    source: str
    target: str
    stamp: tuple[str | int, ...]
    key: str
    threads: int


def upscale_batch(batch: Batch, workers: int = -1) -> Iterator[Outcome]:
    """Do all that is not done; one image that fails costs itself alone.

    Args:
        batch: what goes where.
        workers: processes of this machine, -1 for one per core; Dask's workers where
            `DASK_SCHEDULER_ADDRESS` names a scheduler.

    Raises:
        FileNotFoundError: if there are no images, or no model.
        HostError: if S3 cannot be listed.
        OSError: if another process upscales into the folder, or a process was killed.
    """
    # once here: a mistake in it is no image's
    model = load_model(batch.model, batch.alpha)
    key = key_of(model, batch.config, batch.output)
    cores = os.cpu_count() or 1
    processes = cores if workers < 0 else max(workers, 1)
    items = [
        Item(
            batch=batch,
            source=source,
            target=target,
            stamp=tuple(stamp),
            key=key,
            threads=max(cores // processes, 1),
        )
        for source, target, stamp in _pairs(batch)
    ]
    if batch.target.startswith(S3):
        # each process asks S3 itself, since every question takes a while
        yield from in_parallel(_upscaled, items, workers, fewer=FEWER)
        return
    folder = Path(batch.target)
    with alone(folder):
        journal = Journal(folder, key)
        todo = []
        for item in items:
            known = journal.ask(
                item.source, Path(item.target), list(item.stamp), overwrite=batch.overwrite
            )
            if known is not None:
                yield known
            else:
                todo.append(item)
        for item, outcome in zip(
            todo, in_parallel(_upscaled, todo, workers, fewer=FEWER), strict=True
        ):
            if outcome.state == "done":
                journal.end(Path(item.target), list(item.stamp))
            yield outcome


def _pairs(batch: Batch) -> Iterator[tuple[str, str, Stamp]]:
    """(source, target, stamp of the source) of every image."""
    beyond = batch.target.startswith(S3)
    below = Path("/") if beyond else Path(batch.target)
    if batch.source.startswith(S3):
        images, results = (f"{one.rstrip('/')}/" for one in (batch.source, batch.target))
        within = results != images and results.startswith(images)
        found = [
            one
            for one in listed(parse_s3(batch.source))
            if Path(one.inside).suffix.lower() in SUFFIXES
            and not (within and str(one.place).startswith(results))
        ]
        if not found:
            raise FileNotFoundError(f"{batch.source} has no images")
        for one in found:
            check_path(one)
        places = places_of_results([Path(one.inside) for one in found], batch.output)
        for one, place in zip(found, places, strict=True):
            source, result = str(one.place), _named(batch, below / place)
            if source == result:
                raise ValueError(f"{source} would be overwritten; give another target")
            yield source, result, [source, one.bytes, one.etag]
        return
    for job in find_jobs([batch.source], below, batch.output):
        yield str(job.source), _named(batch, job.target), stamp_of(job.source)


def _named(batch: Batch, target: Path) -> str:
    if not batch.target.startswith(S3):
        return str(target)
    return f"{batch.target.rstrip('/')}/{target.relative_to('/')}"


@lru_cache(maxsize=1)
def _upscaler(batch: Batch, key: str, threads: int) -> Upscaler:
    """Made once per process."""
    del key  # another version of the same alias is another network
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    network = load_model(batch.model, batch.alpha).network
    return Upscaler(network, batch.config, free_memory=lambda: free_memory() * threads // _cores())


def _cores() -> int:
    return os.cpu_count() or 1


def _upscaled(item: Item) -> Outcome:
    """Do one image, in whatever process."""
    state: Literal["done", "skipped", "failed"] = "done"
    try:
        with TemporaryDirectory() as name:
            changes = _upscaled_in(item, Path(name))
        state, words = ("skipped", "") if changes is None else ("done", "; ".join(changes))
    except (BadImageError, HostError, MemoryError, OSError) as error:
        state, words = "failed", str(error) or type(error).__name__
    return Outcome(source=item.source, target=item.target, state=state, words=words)


def _upscaled_in(item: Item, folder: Path) -> tuple[str, ...] | None:
    """What had to be changed; None if the result is there already."""
    if item.target.startswith(S3):
        return _to_s3(item, folder)
    return _to_file(item, folder, Path(item.target))


def _to_file(item: Item, folder: Path, target: Path) -> tuple[str, ...]:
    source = Path(item.source)
    if item.source.startswith(S3):
        place = parse_s3(item.source)
        source = folder / Path(place.key).name
        download_object(place, source, ExpectedFile(), TransferOptions())
    upscaler = _upscaler(item.batch, item.key, item.threads)
    return upscale_file(upscaler, Job(source=source, target=target), item.batch.output)


def _to_s3(item: Item, folder: Path) -> tuple[str, ...] | None:
    place, root = parse_s3(item.target), parse_s3(item.batch.target)
    own = place.key.removeprefix(root.key).lstrip("/")
    beside = "/".join(part for part in (root.key.rstrip("/"), NOTES, f"{own}.json") if part)
    note = S3Object(bucket=place.bucket, key=beside)
    there, said = bytes_of(place), get_text(note)
    wanted = {"key": item.key, "source": list(item.stamp)}
    if said is not None and there is not None and from_json(said) == {**wanted, "bytes": there}:
        return None
    if said is None and there is not None and not item.batch.overwrite:
        raise HostError(FOREIGN.format(place))
    # first, so that a result whose note was cut off is known for one of here
    put_text(to_json({**wanted, "bytes": 0}), note)
    target = folder / f"result{Path(item.target).suffix}"
    changes = _to_file(item, folder, target)
    upload(target, place)
    put_text(to_json({**wanted, "bytes": target.stat().st_size}), note)
    return changes
