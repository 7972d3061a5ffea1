"""Pictures that are already on this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from esrgan_core.files import atomic_path


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A file by its path, absolute or from the root of the repository."""

    path: Path


def copy_local(file: LocalFile, target: Path) -> None:
    """Copy a file.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not file.path.is_file():
        raise FileNotFoundError(f"no file {file.path}; correct the path in the catalog")
    with atomic_path(target) as temporary:
        shutil.copyfile(file.path, temporary)
