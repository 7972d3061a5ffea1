"""DVC's settings in this checkout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_dvc_settings() -> Mapping[str, Any]:
    """Settings by section, those of the user and the machine included; empty without DVC.

    Raises:
        dvc.config.ConfigError: if a file of settings cannot be read.
    """
    if not Path(".dvc").is_dir():
        return {}
    # not `dvc config --list`, which takes a third of a second to start
    from dvc.config import Config  # noqa: PLC0415

    return Config(".dvc", validate=False)
