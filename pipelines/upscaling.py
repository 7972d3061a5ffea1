"""Many pictures through one network: which there are, which are done, and what became of each."""

import errno
import glob
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from esrgan_core.image import SUFFIXES, BadImageError, find_images
from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.memory import free_memory
from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.weights import digest, load_generator
from esrgan_core.pictures import (
    STREAMED,
    SUFFIX_FORMATS,
    Format,
    Metadata,
    Picture,
    encode,
    fit_to,
    insist_on_size,
    picture_size,
    read_picture,
    streamed_tiff,
    write_picture,
)
from pipelines.contenders import interpolated
from pipelines.progress import progress

JOURNAL = ".esrgan-upscaled.jsonl"
CHAMPION = "models:/esrgan@champion"
FOREIGN = "{} is there and was not made here; --overwrite replaces it"
STANDARD = "-"
"""Standard input or output as a path."""
KILO = 1000
Stamp = list[str | int]
"""A source by its name and what changes when it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A generator, and where it is from."""

    network: Generator
    words: str


def load_model(name: str | None, alpha: float | None) -> Model:
    """A generator out of the registry or a file.

    Args:
        name: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a file; None for the champion.
        alpha: between the PSNR-oriented and the perception-oriented network of a registered
            model; None for the model's own.

    Raises:
        FileNotFoundError: if there is no such file, or no champion.
        ValueError: if it is no generator that takes a picture alone, or `alpha` does not apply.
        StoreDownError: if MLflow does not answer.
    """
    from pipelines.tracking.models import generators_of, has_champion  # noqa: PLC0415

    if name is None:
        if not has_champion(CHAMPION):
            raise FileNotFoundError(
                "the registry has no champion yet; `make repro` trains one, or name weights: "
                "--model FILE"
            )
        name = CHAMPION
    if name.startswith("models:/"):
        found = generators_of(name)
        chosen = found.alpha if alpha is None else alpha
        network = interpolated(chosen, found.psnr, found.gan)
        words = f"{found.words}, alpha {chosen:g}"
    elif alpha is not None:
        raise ValueError(
            "--alpha lies between the two networks of a registered model; a file has one: "
            "`esrgan interpolate` makes one between two files"
        )
    else:
        network, words = load_generator(Path(name)), name
    if isinstance(network, SFTNet):
        raise ValueError(f"{name} is an SFTNet, which must be told what a picture shows")
    return Model(network=network, words=words)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """How results are written."""

    format: Format | None = None
    """None for the one of the source, PNG where that cannot be written."""
    quality: int | None = None
    strip_metadata: bool = False

    def format_for(self, source: str) -> Format:
        """The format of what becomes of a file of this name."""
        return self.format or SUFFIX_FORMATS.get(Path(source).suffix.lower(), "png")

    def suffix_for(self, source: Path) -> str:
        """The suffix of what becomes of a file: its own where that says the same."""
        own, format_ = source.suffix.lower().lstrip("."), self.format_for(source.name)
        return own if SUFFIX_FORMATS.get(f".{own}") == format_ else format_


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A picture and where its result goes."""

    source: Path
    target: Path


def find_jobs(inputs: Sequence[str], target: Path, output: Output) -> list[Job]:
    """What there is to do: files as they are named, folders with all below, patterns.

    One file goes to `target` if that has the suffix of a picture; all else goes below it, folders
    with their tree. Where two results would have one name, they keep their sources' suffixes.

    Raises:
        FileNotFoundError: if an input matches nothing.
        ValueError: if a result would take the place of its source or of another result, or
            cannot be written.
    """
    found: list[tuple[Path, Path]] = []
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            own = target.resolve()
            pictures = [one for one in find_images(path) if not one.resolve().is_relative_to(own)]
            found += [(one, one.relative_to(path)) for one in pictures]
            missing = "has no pictures"
        elif path.is_file():
            found.append((path, Path(path.name)))
            continue
        else:
            pictures = [Path(one) for one in sorted(glob.glob(given, recursive=True))]  # noqa: PTH207  it may be absolute
            pictures = [one for one in pictures if one.is_file()]
            found += [(one, Path(one.name)) for one in pictures]
            missing = "is no file or folder, and matches none"
        if not pictures:
            raise FileNotFoundError(f"{given} {missing}")
    if len(found) == 1 and target.suffix.lower() in SUFFIXES and not target.is_dir():
        insist_on_format(target, output)
        jobs = [Job(source=found[0][0], target=target)]
    else:
        named = [
            (source, place.with_suffix(f".{output.suffix_for(source)}")) for source, place in found
        ]
        places = [place for _, place in named]
        jobs = [
            Job(
                source=source,
                target=target
                / (
                    place.with_name(f"{source.name}{place.suffix}")
                    if places.count(place) > 1
                    else place
                ),
            )
            for source, place in named
        ]
    sources: dict[Path, Path] = {}
    for job in jobs:
        if job.source.resolve() == job.target.resolve():
            raise ValueError(f"{job.source} would be overwritten; give another -o")
        if (other := sources.setdefault(job.target, job.source)) != job.source:
            raise ValueError(
                f"{other} and {job.source} would both become {job.target}; give the folder that "
                "both are in, whose tree is kept"
            )
    return list(dict.fromkeys(jobs))


def insist_on_format(target: Path, output: Output) -> None:
    """Refuse a file whose suffix is not of the format that it would have.

    Raises:
        ValueError: naming both.
    """
    wanted = SUFFIX_FORMATS.get(target.suffix.lower())
    if wanted is None:
        known = ", ".join(SUFFIX_FORMATS)
        raise ValueError(f"{target}: no such format can be written; there are {known}")
    if output.format not in (None, wanted):
        raise ValueError(f"{target} would be a {output.format}; give it that suffix")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a picture."""

    job: Job
    state: Literal["done", "skipped", "failed"]
    words: str = ""
    """Why it failed, or what had to be changed."""


def upscale_one(upscaler: Upscaler, source: Path | BytesIO, output: Output, name: str) -> bytes:
    """The bytes of a picture's result.

    Raises:
        BadImageError: if the picture cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
    """
    format_ = output.format_for(name)
    picture = _read(upscaler, source, output, format_)
    return encode(fit_to(upscaler(picture), format_), format_, output.quality)


def _read(upscaler: Upscaler, source: Path | BytesIO, output: Output, format_: Format) -> Picture:
    """A picture whose result fits the format, which its header tells before it is decoded."""
    height, width = upscaler.size_of(*picture_size(source))
    insist_on_size(width, height, format_)
    picture = read_picture(source)
    return replace(picture, metadata=Metadata()) if output.strip_metadata else picture


def upscale_file(
    upscaler: Upscaler,
    job: Job,
    output: Output,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, ...]:
    """Upscale one file; what had to be changed.

    Raises:
        BadImageError: if the picture cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
        OSError: if it cannot be read or written.
    """
    format_ = output.format_for(job.target.name)
    picture = _read(upscaler, job.source, output, format_)
    height, width = upscaler.size_of(*picture.pixels.shape[:2])
    channels = picture.pixels.shape[2] + (picture.alpha is not None)
    if format_ == "tif" and height * width * channels * picture.pixels.itemsize > STREAMED:
        with streamed_tiff(job.target, picture, (height, width)) as canvas:
            upscaler(picture, canvas=lambda shape, kind: canvas, on_part=on_part)
        return picture.changes
    fitted = fit_to(upscaler(picture, on_part=on_part), format_)
    write_picture(job.target, fitted, format_, output.quality)
    return fitted.changes


class Journal:
    """Which results of a folder are of which sources: what is done is not done again."""

    def __init__(self, folder: Path, key: str) -> None:
        """Read what there is; `key` stands for the model and all settings."""
        self.folder, self.key, self.path = folder, key, folder / JOURNAL
        self.known: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                    self.known[row["target"]] = row
                except (ValueError, KeyError, TypeError):
                    continue  # cut short by a kill

    def has(self, target: Path, source: Stamp) -> bool:
        """Whether the result is there, of this source as it is now, by the same model."""
        row = self.known.get(self._name(target))
        if row is None or not row["bytes"] or not target.is_file():
            return False
        same = row["key"] == self.key and row["source"] == source
        return same and row["bytes"] == target.stat().st_size

    def is_foreign(self, target: Path) -> bool:
        """Whether something lies there that is not of here."""
        return target.exists() and self._name(target) not in self.known

    def begin(self, target: Path, source: Stamp) -> None:
        """Note that a result will be written."""
        if self._name(target) not in self.known:
            self._note(target, source, 0)

    def end(self, target: Path, source: Stamp) -> None:
        """Note that it is there."""
        self._note(target, source, target.stat().st_size)

    def _note(self, target: Path, source: Stamp, bytes_: int) -> None:
        name = self._name(target)
        row = {"target": name, "source": source, "key": self.key, "bytes": bytes_}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.known[name] = row

    def _name(self, target: Path) -> str:
        return str(target.relative_to(self.folder))


def stamp_of(source: Path) -> Stamp:
    """What tells whether a file is still the same.

    Raises:
        OSError: if it is gone.
    """
    found = source.stat()
    return [str(source.resolve()), found.st_size, found.st_mtime_ns]


def key_of(model: Model, config: UpscaleConfig, output: Output) -> str:
    """Stands for everything that a result depends on but its source."""
    settings = [digest(model.network), asdict(config), asdict(output)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


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
    journal = Journal(folder, key_of(model, config, output))
    sizes = {job: _pixels(job) for job in jobs}
    done = 0
    with alone(folder), progress("upscale", sum(sizes.values())) as advance:
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
        return Outcome(job=job, state="failed", words=str(error))
    return Outcome(job=job, state="done", words="; ".join(changes))


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
        if journal.has(job.target, stamp):
            return Outcome(job=job, state="skipped")
        if journal.is_foreign(job.target) and not overwrite:
            return Outcome(job=job, state="failed", words=FOREIGN.format(job.target))
        journal.begin(job.target, stamp)
        changes = upscale_file(upscaler, job, output, on_part)
        journal.end(job.target, stamp)
        return Outcome(job=job, state="done", words="; ".join(changes))
    except (BadImageError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return Outcome(job=job, state="failed", words=str(error) or type(error).__name__)


def _pixels(job: Job) -> int:
    """Thousands of pixels, by which the time left is told; 1 for what cannot be read."""
    try:
        return max(int(np.prod(picture_size(job.source))) // KILO, 1)
    except (BadImageError, OSError):
        return 1


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Insist on being the only one that upscales into a folder.

    Raises:
        OSError: if another process does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{JOURNAL}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OSError(
            f"another process upscales into {folder}; wait, or give another -o"
        ) from error
    try:
        # what a killed one has half written
        for left in folder.rglob(f".{16 * '[0-9a-f]'}.tmp*"):
            left.unlink()
        yield
    finally:
        lock.release()


def say(words: str) -> None:
    """Tell a person something on standard error."""
    print(words, file=sys.stderr, flush=True)
