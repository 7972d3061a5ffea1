"""Which commit and which data a result comes from."""

import sys
from pathlib import Path

from pipelines.config.params import PARAMS, read_yaml
from pipelines.runtime.shell import CommandError, git

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
        commit = git(["rev-parse", "HEAD"], Path.cwd())
        changed = git(["status", "--porcelain", "--untracked-files=no", "--", *others], Path.cwd())
    except FileNotFoundError:
        return ""
    except CommandError as error:
        if "safe.directory" in str(error):
            print(
                "the lineage lacks its commit, since git refuses a repository of another owner: "
                f"git config --global --add safe.directory {Path.cwd()}",
                file=sys.stderr,
            )
        return ""
    return commit + ("+" if changed else "")


def data_md5() -> str:
    """DVC's hash of `data/`, as `data.dvc` has it; "" where that says none."""
    path = Path("data.dvc")
    if not path.is_file():
        return ""
    outs = read_yaml(path).get("outs") or [{}]
    return str(outs[0].get("md5", ""))
