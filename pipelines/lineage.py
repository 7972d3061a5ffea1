"""Which commit and which data a result comes from."""

import subprocess
import sys
from pathlib import Path

from pipelines.params import PARAMS, read_yaml

LEFT_OUT = (
    str(PARAMS),
    "data.dvc",
    "dvc.lock",
    "artifacts",
    "pipelines/baselines/dvc.lock",
    "pipelines/baselines/.dvcignore",
)
"""What is no change of the code: a lineage has parameters and data by their hashes, and the rest is
what a run itself rewrites."""


def git_commit() -> str:
    """The commit that is checked out, with `+` where code differs from it; "" outside git.

    Where git refuses a repository of another owner, it is said what to do.
    """
    others = [":(top)", *(f":(top,exclude){name}" for name in LEFT_OUT)]
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *others)
    except FileNotFoundError:
        return ""
    except subprocess.CalledProcessError as error:
        if "safe.directory" in error.stderr:
            print(
                "the lineage lacks its commit, since git refuses a repository of another owner: "
                f"git config --global --add safe.directory {Path.cwd()}",
                file=sys.stderr,
            )
        return ""
    return commit + ("+" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def data_md5() -> str:
    """DVC's hash of `data/`, as `data.dvc` has it; "" where that says none."""
    path = Path("data.dvc")
    if not path.is_file():
        return ""
    outs = read_yaml(path).get("outs") or [{}]
    return str(outs[0].get("md5", ""))
