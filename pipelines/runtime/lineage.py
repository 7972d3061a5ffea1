"""The commit and the data that a result comes from."""

import sys
from pathlib import Path

from pipelines.config.params import PARAMS, read_yaml
from pipelines.runtime.shell import CommandError, git

EXCLUDED = (
    str(PARAMS),
    "data.dvc",
    "dvc.lock",
    "artifacts",
    "pipelines/baselines/dvc.lock",
    "pipelines/baselines/.dvcignore",
)
"""Paths that are not code: a lineage has hashes of the parameters and the data, and a run itself
rewrites the rest."""


def git_commit() -> str:
    """The current commit, with `+` if the code differs from it; "" outside a git repository."""
    paths = [":(top)", *(f":(top,exclude){name}" for name in EXCLUDED)]
    try:
        commit = git(["rev-parse", "HEAD"], Path.cwd())
        changed = git(["status", "--porcelain", "--untracked-files=no", "--", *paths], Path.cwd())
    except FileNotFoundError:
        return ""
    except CommandError as error:
        if "safe.directory" in str(error):
            print(
                "no commit is recorded, because the repository belongs to another user; run "
                f"git config --global --add safe.directory {Path.cwd()}",
                file=sys.stderr,
            )
        return ""
    return commit + ("+" if changed else "")


def data_md5() -> str:
    """DVC's hash of `data/` in `data.dvc`; "" if there is none."""
    path = Path("data.dvc")
    if not path.is_file():
        return ""
    outs = read_yaml(path).get("outs") or [{}]
    return str(outs[0].get("md5", ""))
