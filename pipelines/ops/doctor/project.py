"""The checkout: params.yaml, git, DVC."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.config.params import PARAMS, ParamsError, read_yaml
from pipelines.ops.doctor import Finding
from pipelines.runtime.shell import CommandError, output
from pipelines.stages.params_check import check_params

IN_ROOT = "run this command in the root of the repository"


def read_dvc_settings() -> Mapping[str, Any]:
    """DVC's settings by section, those of the user and the machine included; empty without DVC.

    Raises:
        dvc.config.ConfigError: if a file of settings cannot be read.
    """
    if not Path(".dvc").is_dir():
        return {}
    # not `dvc config --list`, which takes a third of a second to start
    from dvc.config import Config  # noqa: PLC0415

    return Config(".dvc", validate=False)


def check_params_yaml() -> Iterator[Finding]:
    """Check that params.yaml is valid for every stage."""
    if not PARAMS.is_file():
        yield Finding("params.yaml", "not found", IN_ROOT, "warning")
        return
    try:
        check_params(read_yaml(PARAMS))
    except ParamsError as error:
        remedy = "correct it; `git diff params.yaml` shows what changed"
        yield Finding("params.yaml", str(error), remedy)
    else:
        yield Finding("params.yaml", "valid for every stage")


def check_git() -> Iterator[Finding]:
    """Check that runs can be saved in git."""
    if not shutil.which("git"):
        yield Finding("git", "not installed", "install git, which DVC needs")
        return
    try:
        output(["git", "rev-parse", "--git-dir"], Path.cwd())
    except CommandError:
        yield Finding("git", "not a repository", "git clone the project, do not copy it")
        return
    if output(["git", "config", "user.email"], Path.cwd(), check=False):
        yield Finding("git", "a repository with an identity")
    else:
        message = "no identity is set; runs cannot be saved without it"
        yield Finding("git", message, "git config user.email you@example.org", "warning")


def check_dvc() -> Iterator[Finding]:
    """Check that DVC's remote exists and is verified."""
    if not (settings := read_dvc_settings()):
        yield Finding("DVC", "not set up here", IN_ROOT, "warning")
        return
    if not (name := settings["core"].get("remote", "")):
        yield Finding("DVC remote", "none; results stay on this machine")
        return
    remote = settings["remote"].get(name, {})
    if remote.get("verify") == "true":
        yield Finding("DVC remote", f"{name}, whose files are verified")
    else:
        message = f"files of {name} are not verified: verify is off"
        yield Finding("DVC remote", message, f"dvc remote modify {name} verify true", "warning")
    url = str(remote.get("url", ""))
    if not urlsplit(url).scheme and not Path(url).expanduser().is_dir():
        yield Finding("DVC remote", f"{url} does not exist", f"dvc remote modify {name} url FOLDER")
