"""The state root (checkpoints, locks, caches, the default MLflow store) and the device."""

import os
from contextlib import AbstractContextManager, chdir
from pathlib import Path

from pipelines.config.errors import UserError

REPOSITORY = "ESRGAN_REPOSITORY"
"""Environment variable with the path or URL of the repository that runs are cloned from."""


def requested_device() -> str:
    """The value of `ESRGAN_DEVICE`; `auto` if it is not set."""
    return os.environ.get("ESRGAN_DEVICE") or "auto"


def state_root() -> Path:
    """The absolute path of the state root, which is created if it does not exist."""
    root = state_root_path()
    root.mkdir(parents=True, exist_ok=True)
    return root


def state_root_path() -> Path:
    """The absolute path of the state root, whether or not it exists.

    `ESRGAN_STATE`, which may be relative to the repository, or `.esrgan` in the repository. The
    repository is the one that `dvc` was started in, since an experiment may run in a temporary
    copy, or the one that contains the current folder.
    """
    root = Path(os.environ.get("DVC_ROOT") or _find_repository() or Path.cwd())
    return (root / (os.environ.get("ESRGAN_STATE") or ".esrgan")).absolute()


def require_state_root() -> None:
    """Raise a UserError if the state root would be created outside a repository."""
    if not is_in_repository():
        raise UserError(
            f"{Path.cwd()} is not in a repository; run this command in one, or set ESRGAN_STATE"
        )


def is_in_repository() -> bool:
    """Whether `ESRGAN_STATE` is set or the current folder is in a repository."""
    return bool(os.environ.get("ESRGAN_STATE")) or _find_repository() is not None


def in_repository() -> AbstractContextManager[None]:
    """Work in the root of the repository that contains the current folder; a UserError outside."""
    if (root := _find_repository()) is None:
        raise UserError(f"{Path.cwd()} is not in a repository; run this command in one")
    return chdir(root)


def ablation_network_path(fingerprint: str) -> Path:
    """The file of the network that an ablation training produced."""
    return state_root() / "ablation" / f"{fingerprint}.safetensors"


def _find_repository() -> Path | None:
    current = Path.cwd()
    return next((path for path in (current, *current.parents) if (path / ".dvc").is_dir()), None)
