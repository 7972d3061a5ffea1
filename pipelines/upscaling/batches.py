"""A folder or an S3 prefix of images through one network, by several processes or machines.

Finished results are recorded, in the journal of a folder or in a small object for each result on
S3, since not every S3 server keeps metadata. They are skipped in the next run; each killed process
repeats at most one image.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoding import reason
from esrgan_core.io.folder import Report, report_left_out
from esrgan_core.memory import free_memory
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import UserError
from pipelines.runtime.messages import warn
from pipelines.runtime.parallel import in_parallel
from pipelines.sources import s3
from pipelines.sources.errors import HostError
from pipelines.sources.locations import S3Object, parse_s3
from pipelines.upscaling.engines import choose_engine
from pipelines.upscaling.jobs import Outcome, Output, find_jobs, names_file, result_paths
from pipelines.upscaling.journal import FOREIGN, Stamp, file_stamp, open_journal, settings_key
from pipelines.upscaling.model import load_model
from pipelines.upscaling.one import upscale_file
from pipelines.upscaling.recorded import S3_RECORDS, recorded_on_s3

S3 = "s3://"
CORES = os.cpu_count() or 1


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


Image = tuple[str, str, Stamp]
"""(source, target, stamp of the source)."""


def upscale_batch(batch: Batch, workers: int = -1, report: Report = warn) -> Iterator[Outcome]:
    """Upscale all images that have no result; an image that fails does not stop the others.

    It uses as many processes as `workers`, -1 for one per core, or all of Dask's workers if
    `DASK_SCHEDULER_ADDRESS` names a scheduler. `report` gets a line for what is left out.

    Raises:
        UserError: if there are no images, no model, or another process writes to the folder.
        HostError: if S3 cannot be listed.
        OSError: if a process was killed.
    """
    # before the images, so that a wrong model is not an error of each
    model = load_model(batch.model, batch.alpha)
    batch = replace(batch, config=choose_engine(batch.config, model.network, report))
    key = settings_key(model, batch.config, batch.output)
    processes = CORES if workers < 0 else max(workers, 1)
    upscale = partial(_upscale, batch, key, max(CORES // processes, 1))
    images = list(_find_images(batch, report))
    if batch.target.startswith(S3):
        # each process asks S3 about its results, since every request takes time
        yield from in_parallel(upscale, images, workers, fewer="with fewer workers")
        return
    with open_journal(Path(batch.target), key) as journal:
        todo = []
        for source, target, stamp in images:
            try:
                outcome = journal.begin(source, Path(target), stamp, overwrite=batch.overwrite)
            except Exception as error:
                outcome = Outcome(source, target, "failed", reason(error))
            if outcome:
                yield outcome
            else:
                todo.append((source, target, stamp))
        outcomes = in_parallel(upscale, todo, workers, fewer="with fewer workers")
        for (_, target, stamp), outcome in zip(todo, outcomes, strict=True):
            if outcome.state == "done":
                journal.finish(Path(target), stamp)
            yield outcome


def _find_images(batch: Batch, report: Report) -> Iterator[Image]:
    is_remote = batch.target.startswith(S3)
    root = Path("/") if is_remote else Path(batch.target)
    if names_file(root):
        raise UserError(f"{batch.target} names one image; the target must be a folder")
    prefix = batch.target.rstrip("/") if is_remote else ""
    if not batch.source.startswith(S3):
        for job in find_jobs([batch.source], root, batch.output, report):
            yield str(job.source), f"{prefix}{job.target}", file_stamp(job.source)
        return
    images, results = (f"{place.rstrip('/')}/" for place in (batch.source, batch.target))
    is_within = results != images and results.startswith(images)
    listed = list(s3.list_objects(parse_s3(batch.source)))
    earlier = recorded_on_s3([path for path, _ in listed], with_root=results == images)
    found, own = list[s3.Listed](), list[s3.Listed]()
    for path, image in s3.select_images(listed, report):
        is_own = is_within and str(image.location).startswith(results)
        (own if is_own or path in earlier else found).append((path, image))
    report_left_out(report, [str(image.location) for _, image in own], "a result of esrgan")
    if not found:
        raise UserError(f"{batch.source} contains no images")
    paths = result_paths([Path(path) for path, _ in found], batch.output)
    for (_, image), target in zip(found, paths, strict=True):
        source, result = str(image.location), f"{prefix}{root / target}"
        if source == result:
            raise UserError(f"{source} would be overwritten; give another target")
        yield source, result, [source, image.expected.bytes, image.version]


@lru_cache(maxsize=1)
def _make_upscaler(batch: Batch, key: str, threads: int) -> Upscaler:
    """Made once per process."""
    del key  # another version with the same alias is another network
    return Upscaler(
        load_model(batch.model, batch.alpha).network,
        batch.config,
        free_memory=lambda: free_memory() * threads // CORES,
        threads=threads,
    )


def _upscale(batch: Batch, key: str, threads: int, image: Image) -> Outcome:
    """Upscale one image, in any process."""
    source, target, stamp = image
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)

            def run(path: Path) -> tuple[str, ...]:
                local = folder / Path(source).name if source.startswith(S3) else Path(source)
                if source.startswith(S3):
                    s3.download(parse_s3(source), local)
                return upscale_file(_make_upscaler(batch, key, threads), local, path, batch.output)

            if target.startswith(S3):
                changes = _to_s3(batch, target, {"key": key, "source": stamp}, folder, run)
            else:
                changes = run(Path(target))
    except Exception as error:
        return Outcome(source, target, "failed", reason(error))
    if changes is None:
        return Outcome(source, target, "skipped")
    return Outcome(source, target, "done", "; ".join(changes))


def _to_s3(
    batch: Batch,
    target: str,
    record: Mapping[str, Any],
    folder: Path,
    run: Callable[[Path], tuple[str, ...]],
) -> tuple[str, ...] | None:
    """Upload a result, and its record below `.esrgan` in the target; None if both exist."""
    place, root = parse_s3(target), parse_s3(batch.target)
    name = place.key.removeprefix(root.key).lstrip("/")
    key = "/".join(part for part in (root.key.rstrip("/"), S3_RECORDS, f"{name}.json") if part)
    record_place = S3Object(bucket=place.bucket, key=key)
    size, text = s3.object_size(place), s3.get_text(record_place)
    if size is not None:
        if text is not None and from_json(text) == {**record, "bytes": size}:
            return None
        if text is None and not batch.overwrite:
            raise HostError(FOREIGN.format(place))
    # before the result, so that a result without a complete record is known as one of ours
    s3.put_text(to_json({**record, "bytes": 0}), record_place)
    result = folder / f"result{Path(target).suffix}"
    changes = run(result)
    s3.upload(result, place)
    s3.put_text(to_json({**record, "bytes": result.stat().st_size}), record_place)
    return changes
