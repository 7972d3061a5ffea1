"""Files that are already on this machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A file by its path, absolute or from the root of the repository."""

    path: Path


def find_local_file(file: LocalFile) -> Path:
    """The path, if there is a file.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not file.path.is_file():
        raise FileNotFoundError(f"no file {file.path}; correct the path")
    return file.path
