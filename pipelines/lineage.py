"""Which commit and which data a result comes from."""

import subprocess
from pathlib import Path

from pipelines.params import read_yaml


def git_commit() -> str:
    """The commit that is checked out, with `+` where files differ from it; "" outside git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def data_md5() -> str:
    """DVC's hash of `data/`, as `data.dvc` has it; "" where that says none."""
    path = Path("data.dvc")
    if not path.is_file():
        return ""
    outs = read_yaml(path).get("outs") or [{}]
    return str(outs[0].get("md5", ""))
