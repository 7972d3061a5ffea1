"""Disk space: checked before it is needed, measured, and freed."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.filesize import decimal

from pipelines.config.errors import UserError


def require_disk_space(needs: Mapping[Path, int]) -> None:
    """Raise a UserError if a disk lacks the bytes that folders on it need."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, bytes_ in needs.items():
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        disk = existing.stat().st_dev
        disks[disk] = (existing, disks.get(disk, (existing, 0))[1] + bytes_)
    for folder, bytes_ in disks.values():
        if bytes_ > (free := shutil.disk_usage(folder).free):
            raise UserError(
                f"{decimal(bytes_)} are needed on the disk of {folder.absolute()}, "
                f"{decimal(free)} are free; free some space, set ESRGAN_STATE to a folder on "
                "another disk, or use fewer images"
            )


def remove_tree(folder: Path) -> None:
    """Remove a folder with its content, or a link to a folder but not its target."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder, including the targets of links."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
