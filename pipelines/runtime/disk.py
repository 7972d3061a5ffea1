"""Room on disks, asked for before work begins that would run out of it, and made."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.filesize import decimal


def require_disk_space(needs: Mapping[Path, int]) -> None:
    """Refuse work that cannot fit, before it begins; folders on one disk count together.

    Raises:
        OSError: naming the folder, what it needs and what is free.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, bytes_ in needs.items():
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        first, so_far = disks.get(there.stat().st_dev, (there, 0))
        disks[there.stat().st_dev] = (first, so_far + bytes_)
    for folder, bytes_ in disks.values():
        free = shutil.disk_usage(folder).free
        if bytes_ > free:
            raise OSError(
                f"{decimal(bytes_)} are needed on the disk of {folder.absolute()}, "
                f"{decimal(free)} are free; make room, set ESRGAN_STATE to a folder on another "
                "disk, or take fewer images"
            )


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, or a link to one but not what it leads to."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder; files that are linked from elsewhere count as well."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
