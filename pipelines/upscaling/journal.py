"""The journal of an output folder, by which finished images are skipped in the next run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from filelock import FileLock, Timeout

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.records import RECORDS, RecordType, record_hash, same
from esrgan_core.strict_json import to_json
from pipelines.config.errors import UserError
from pipelines.upscaling.jobs import Outcome, Output
from pipelines.upscaling.model import Model
from pipelines.upscaling.recorded import JOURNAL, read_journal

FOREIGN = "{} exists and was not written by esrgan; --overwrite replaces it"
Stamp = list[str | int]
"""The name of a source and values that change with its content."""
UPSCALING_RECORDS: Mapping[str, RecordType] = {
    **RECORDS,
    "Output": RecordType(
        kind="output",
        names=same("format", "quality", "strip_metadata"),
        absent={"format": None, "quality": None, "strip_metadata": False},
    ),
}


class Journal:
    """The results in a folder, each with its source and the settings that it was made with."""

    def __init__(self, folder: Path, key: str) -> None:
        """Read the journal of `folder`; `key` stands for the network and the settings."""
        self.folder, self.key, self.path = folder, key, folder / JOURNAL
        self.rows = read_journal(folder)

    def begin(self, source: str, target: Path, stamp: Stamp, *, overwrite: bool) -> Outcome | None:
        """The outcome of a job that needs no work; None, after noting the job, if it must be run.

        It is skipped if its result exists, and fails if another file exists in that place.
        """
        row = self.rows.get(self._name(target))
        size = target.stat().st_size if target.is_file() else 0
        if size and row and row == self._row(target, stamp, size):
            return Outcome(source, str(target), "skipped")
        if row is None:
            if target.exists() and not overwrite:
                return Outcome(source, str(target), "failed", FOREIGN.format(target))
            self._append(self._row(target, stamp, 0))
        return None

    def finish(self, target: Path, stamp: Stamp) -> None:
        """Record that the result exists."""
        self._append(self._row(target, stamp, target.stat().st_size))

    def _row(self, target: Path, stamp: Stamp, size: int) -> dict[str, Any]:
        return {"target": self._name(target), "source": stamp, "key": self.key, "bytes": size}

    def _append(self, row: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(to_json(row) + "\n")
        self.rows[row["target"]] = row

    def _name(self, target: Path) -> str:
        return str(target.relative_to(self.folder))


def check_writable(folder: Path) -> None:
    """Create `folder` if it is missing, and check that files can be written there.

    Raises:
        UserError: if not; names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(dir=folder)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; give another -o") from error
    os.close(handle)
    Path(name).unlink()


@contextmanager
def open_journal(folder: Path, key: str) -> Iterator[Journal]:
    """Lock an output folder, and remove partial files that a killed process wrote there.

    Raises:
        UserError: if another process holds the lock, or the folder cannot be written.
    """
    check_writable(folder)
    try:
        lock = FileLock(folder / f"{JOURNAL}.lock").acquire(timeout=0)
    except Timeout as error:
        message = f"another process writes to {folder}; wait for it, or give another -o"
        raise UserError(message) from error
    with lock:
        for partial in folder.rglob(f".{16 * '[0-9a-f]'}.tmp*"):
            partial.unlink()
        yield Journal(folder, key)


def file_stamp(source: Path) -> Stamp:
    """Path, size and modification time of a file."""
    stat = source.stat()
    return [str(source.resolve()), stat.st_size, stat.st_mtime_ns]


def settings_key(model: Model, config: UpscaleConfig, output: Output) -> str:
    """A hash of everything except the source that a result depends on."""
    return record_hash([model.network.digest, config, output], UPSCALING_RECORDS)[:16]
