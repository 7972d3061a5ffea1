"""Cache of prepared pairs under the state root, so that a killed run can be continued.

A pair's key is the hash of its sources. The pair store links the arrays when all of them are
prepared. `esrgan prune --caches` removes the cache.
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
from esrgan_core.io.decoding import reason
from esrgan_core.records import from_fields, to_fields
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import UserError
from pipelines.data.manifest import ManifestRow
from pipelines.runtime.disk import require_disk_space

ARRAY_HEADER = 128
"""Bytes of an array file in addition to its pixels."""
PIXELS_PER_SECOND = 15e6
"""Of one core, about; measured by `python -m benchmarks.prepare`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTask:
    """A pair to prepare."""

    hr: ManifestRow
    lr: ManifestRow | None
    """None if LR has to be made."""
    scale: int
    images: Path
    """The image folder; absolute, since other machines may share the work."""
    folder: Path
    """The cache; absolute, too."""

    @property
    def key(self) -> str:
        """Identifies the content of the pair."""
        text = f"{VERSION} {self.scale} {self.hr.sha256} {self.lr.sha256 if self.lr else ''}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def note(self) -> Path:
        """Written last; without it the pair does not count."""
        return self.folder / "pairs" / f"{self.key}.json"


def report_estimate(tasks: list[PairTask], workers: int) -> None:
    """Print the remaining pairs, disk space and time; a UserError if the disk is too small."""
    sizes = [_pair_bytes(task.hr, task.scale) for task in tasks if not task.note.is_file()]
    cores = workers if workers > 0 else os.cpu_count() or 1
    time = timedelta(seconds=round(sum(sizes) / 3 / PIXELS_PER_SECOND / cores))
    print(
        f"bicubic: {len(tasks)} pairs, {len(sizes)} to prepare; {decimal(sum(sizes))} of disk, "
        f"about {time} on {cores} cores",
        file=sys.stderr,
    )
    require_disk_space({task.folder: sum(sizes) for task in tasks[:1]})


def _pair_bytes(row: ManifestRow, scale: int) -> int:
    hr = (row.height - row.height % scale) * (row.width - row.width % scale) * 3
    return hr + hr // scale**2 + 2 * ARRAY_HEADER


def prepare_pair(task: PairTask) -> PairEntry | str:
    """Prepare a pair, unless the cache has it; returns its entry, or its problem."""
    try:
        if entry := _find_pair(task):
            return entry
        entry = add_image(
            task.folder,
            _read_verified(task.images, task.hr),
            lr=_read_verified(task.images, task.lr) if task.lr else None,
            name=task.key,
            split="",
            set_name="",
            scale=task.scale,
        )
        write_text(task.note, _note_text(entry))
    except Exception as error:
        return reason(error)
    return entry


def _read_verified(images: Path, row: ManifestRow) -> BytesIO:
    """Read a file once, so that the decoded bytes are those of the checksum."""
    content = (images / row.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise UserError("it has changed since download; run `dvc repro download` again")
    return BytesIO(content)


def _find_pair(task: PairTask) -> PairEntry | None:
    if entry := read_entry(task.note):
        for kind, digest in (("hr", entry.hr_sha256), ("lr", entry.lr_sha256)):
            path = task.folder / kind / f"{task.key}.npy"
            if not path.is_file() or file_sha256(path) != digest:
                return None
    return entry


def read_entry(note: Path) -> PairEntry | None:
    """PairEntry in the note of a prepared pair; None if the note is missing or damaged."""
    try:
        text = note.read_text(encoding="utf-8")
        entry = from_fields(PairEntry, from_json(text)["entry"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if text == _note_text(entry) else None


def _note_text(entry: PairEntry) -> str:
    content = to_fields(entry)
    digest = hashlib.sha256(to_json(content).encode()).hexdigest()
    return to_json({"entry": content, "sha256": digest}) + "\n"


def link_pair(folder: Path, key: str, store: Path, entry: PairEntry) -> None:
    """Link a prepared pair's arrays into a pair store, or copy them to another file system."""
    for kind in ("hr", "lr"):
        source, target = folder / kind / f"{key}.npy", store / kind / f"{entry.name}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
