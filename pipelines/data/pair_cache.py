"""Pairs made ready under the state root, one by one, so that a run cut short loses little.

DVC removes a stage's outputs before it runs again; what is prepared lies elsewhere, under a name
that says what it was made of, and is linked into the store once all of it is there. It serves
any later run that needs the same pair, until `esrgan prune --caches`.
"""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from rich.filesize import decimal

from esrgan_core.data.pairs import VERSION, PairEntry, add_image
from esrgan_core.files import file_sha256, write_text
from esrgan_core.records import settings_of, to_fields
from esrgan_core.strict_json import from_json, to_json
from pipelines.data.manifest import ManifestRow
from pipelines.runtime.disk import require_disk_space

ARRAY_HEADER = 128
"""Bytes of an array file besides the pixels."""
PIXELS_PER_SECOND = 15e6
"""That one core prepares, about; `python -m benchmarks.prepare` measures it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTask:
    """One pair to prepare."""

    folder: Path
    """Of what is prepared; absolute, since the work may be done elsewhere."""
    key: str
    hr: Path
    hr_sha256: str
    lr: Path | None
    """None where it has to be made."""
    lr_sha256: str
    scale: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedPair:
    """What came of one task."""

    key: str
    entry: PairEntry | None = None
    problem: str = ""


def pair_task(
    hr: ManifestRow, lr: ManifestRow | None, images: Path, folder: Path, scale: int
) -> PairTask:
    """The task of a pair, named by what it is made of."""
    text = f"{VERSION} {scale} {hr.sha256} {lr.sha256 if lr else ''}"
    return PairTask(
        folder=folder,
        key=hashlib.sha256(text.encode()).hexdigest(),
        hr=images / hr.path,
        hr_sha256=hr.sha256,
        lr=images / lr.path if lr else None,
        lr_sha256=lr.sha256 if lr else "",
        scale=scale,
    )


def report_estimate(
    pairs: list[tuple[ManifestRow, ManifestRow | None]], tasks: list[PairTask], workers: int
) -> None:
    """Print what is still to be done, the disk and about the time that it takes.

    Raises:
        UserError: if it does not fit.
    """
    missing = [
        _bytes_of(hr.width, hr.height, task.scale)
        for (hr, _), task in zip(pairs, tasks, strict=True)
        if not _note(task).is_file()
    ]
    cores = workers if workers > 0 else os.cpu_count() or 1
    time = timedelta(seconds=round(sum(missing) / 3 / PIXELS_PER_SECOND / cores))
    print(
        f"bicubic: {len(tasks)} pairs, {len(missing)} to prepare; {decimal(sum(missing))} of "
        f"disk, about {time} on {cores} cores",
        file=sys.stderr,
    )
    require_disk_space({task.folder: sum(missing) for task in tasks[:1]})


def prepare_pair(task: PairTask) -> PreparedPair:
    """Make a pair, unless it is there and whole."""
    try:
        if entry := _whole(task):
            return PreparedPair(key=task.key, entry=entry)
        entry = add_image(
            task.folder,
            _content(task.hr, task.hr_sha256),
            lr=_content(task.lr, task.lr_sha256) if task.lr else None,
            name=task.key,
            split="",
            set_name="",
            scale=task.scale,
        )
        write_text(_note(task), _note_text(entry))
    except (OSError, ValueError, MemoryError) as error:
        return PreparedPair(key=task.key, problem=str(error) or type(error).__name__)
    return PreparedPair(key=task.key, entry=entry)


def _content(path: Path, sha256: str) -> BytesIO:
    """A file's bytes, read once, so that what is decoded is what was hashed.

    Raises:
        ValueError: if they are not those of the manifest, by which the pair is called.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("it has changed since download; run `dvc repro download` again")
    return BytesIO(content)


def _note(task: PairTask) -> Path:
    """Written last: without it nothing of a pair counts."""
    return task.folder / "pairs" / f"{task.key}.json"


def read_entry(path: Path) -> PairEntry | None:
    """What is noted of a prepared pair; None if the note is not there or not as written."""
    try:
        content = from_json(path.read_text(encoding="utf-8"))["entry"]
        entry = PairEntry(**settings_of(PairEntry, content))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if path.read_bytes() == _note_text(entry).encode() else None


def _note_text(entry: PairEntry) -> str:
    content = to_fields(entry)
    digest = hashlib.sha256(to_json(content).encode()).hexdigest()
    return to_json({"entry": content, "sha256": digest}) + "\n"


def _whole(task: PairTask) -> PairEntry | None:
    entry = read_entry(_note(task))
    if entry is None:
        return None
    for kind, digest in (("hr", entry.hr_sha256), ("lr", entry.lr_sha256)):
        path = task.folder / kind / f"{task.key}.npy"
        if not path.is_file() or file_sha256(path) != digest:
            return None
    return entry


def link_pair(folder: Path, key: str, store: Path, entry: PairEntry) -> None:
    """Link a prepared pair's arrays into a store; copy them where links cannot be made."""
    for kind in ("hr", "lr"):
        source, target = folder / kind / f"{key}.npy", store / kind / f"{entry.name}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _bytes_of(width: int, height: int, scale: int) -> int:
    """Bytes of disk that a pair takes."""
    hr = (height - height % scale) * (width - width % scale) * 3
    return hr + hr // scale**2 + 2 * ARRAY_HEADER
