"""What is done in a folder, so that it is not done again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from esrgan_core.inference.upscaler import UpscaleConfig
from esrgan_core.models.weights import digest
from esrgan_core.records import RECORDS, RecordType, record_hash, same
from esrgan_core.strict_json import from_json, to_json
from pipelines.upscaling.jobs import Outcome, Output
from pipelines.upscaling.model import Model

JOURNAL = ".esrgan-upscaled.jsonl"
FOREIGN = "{} is there and was not made here; --overwrite replaces it"
Stamp = list[str | int]
"""A source by its name and what changes when it does."""
UPSCALING_RECORDS: Mapping[str, RecordType] = {
    **RECORDS,
    "Output": RecordType(
        kind="output",
        names=same("format", "quality", "strip_metadata"),
        absent={"format": None, "quality": None, "strip_metadata": False},
    ),
}


class Journal:
    """Which results of a folder are of which sources: what is done is not done again."""

    def __init__(self, folder: Path, key: str) -> None:
        """Read what there is; `key` stands for the model and all settings."""
        self.folder, self.key, self.path = folder, key, folder / JOURNAL
        self.known: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    row = from_json(line)
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

    def ask(self, source: str, target: Path, stamp: Stamp, *, overwrite: bool) -> Outcome | None:
        """What is to be said of a result before it is made; None, which is noted, if it must be.

        It is skipped if it is there, and has failed if something else lies in its place.
        """
        if self.has(target, stamp):
            return Outcome(source=source, target=str(target), state="skipped")
        known = self._name(target) in self.known
        if target.exists() and not known and not overwrite:
            words = FOREIGN.format(target)
            return Outcome(source=source, target=str(target), state="failed", words=words)
        if not known:
            self._note(target, stamp, 0)
        return None

    def end(self, target: Path, source: Stamp) -> None:
        """Note that it is there."""
        self._note(target, source, target.stat().st_size)

    def _note(self, target: Path, source: Stamp, bytes_: int) -> None:
        name = self._name(target)
        row = {"target": name, "source": source, "key": self.key, "bytes": bytes_}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(to_json(row) + "\n")
        self.known[name] = row

    def _name(self, target: Path) -> str:
        return str(target.relative_to(self.folder))


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


def stamp_of(source: Path) -> Stamp:
    """What tells whether a file is still the same.

    Raises:
        OSError: if it is gone.
    """
    found = source.stat()
    return [str(source.resolve()), found.st_size, found.st_mtime_ns]


def key_of(model: Model, config: UpscaleConfig, output: Output) -> str:
    """Stands for everything that a result depends on but its source."""
    return record_hash([digest(model.network), config, output], UPSCALING_RECORDS)[:16]
