"""The checkout: recipe, git, DVC."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.config.params import PARAMS, ParamsError, read_yaml
from pipelines.ops.doctor.dvc_settings import dvc_settings
from pipelines.ops.doctor.finding import Finding, fault, remark, well
from pipelines.runtime.shell import CommandError, output
from pipelines.stages.params_check import check_params


def recipe() -> Iterator[Finding]:
    """Whether params.yaml is valid for every stage."""
    if not PARAMS.is_file():
        yield remark("params.yaml", "not here", "run this in the root of the repository")
        return
    try:
        check_params(read_yaml(PARAMS))
    except ParamsError as error:
        yield fault(
            "params.yaml", str(error), "correct it; `git diff params.yaml` shows what changed"
        )
    else:
        yield well("params.yaml", "valid for every stage")


def repository() -> Iterator[Finding]:
    """Whether runs can be saved in git."""
    if not shutil.which("git"):
        yield fault("git", "not installed", "install git; DVC and the lineage need it")
        return
    try:
        output(["git", "rev-parse", "--git-dir"], Path.cwd())
    except CommandError:
        yield fault("git", "this is no repository", "git clone the project, do not copy it")
        return
    if not output(["git", "config", "user.email"], Path.cwd(), check=False):
        yield remark(
            "git", "knows no identity, without which runs cannot be saved",
            "git config user.email you@example.org",
        )  # fmt: skip
    else:
        yield well("git", "a repository, with an identity")


def dvc() -> Iterator[Finding]:
    """Whether DVC's remote is there and verified."""
    if not Path(".dvc").is_dir():
        yield remark("DVC", "not set up here", "run this in the root of the repository")
        return
    settings = dvc_settings()
    remote = settings["core"].get("remote", "")
    facts = settings["remote"].get(remote, {})
    if not remote:
        yield well("DVC remote", "none; results stay on this machine")
    elif facts.get("verify") != "true":
        yield remark(
            "DVC remote", f"{remote} is trusted unseen: verify is off",
            f"dvc remote modify {remote} verify true",
        )  # fmt: skip
    else:
        yield well("DVC remote", f"{remote}, whose files are verified")
    url = str(facts.get("url", ""))
    if remote and not urlsplit(url).scheme and not Path(url).expanduser().is_dir():
        yield fault("DVC remote", f"{url} is not there", f"dvc remote modify {remote} url FOLDER")
