"""A workspace for every run: `runs/<name>/`, a clone with its own parameters and the shared cache.

Runs neither change the user's working tree nor wait for its locks. A run with the name of an
earlier one continues in the same workspace.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from esrgan_core.files import write_text
from pipelines.config.errors import UserError
from pipelines.config.params import PARAMS, flatten
from pipelines.runs.dvc_graph import drop_uncached_stages
from pipelines.runs.repository import Repository, clone, resolve_revision
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.shell import git

DEFAULT_PROFILE = "sample"
"""The profile that leaves params.yaml unchanged."""
FLOW_LOCK = Path(".git", "esrgan-running.lock")
"""Held by the flow that works in a workspace."""
COMMAND_LOCK = Path(".git", "esrgan-command.lock")
"""Held by the flow's command, which ends seconds after a flow that is killed."""
SECONDS_FOR_INSPECTION = 30.0
"""Time that a flow waits for `esrgan runs`, which locks each workspace while it inspects it."""
SECONDS_FOR_COMMAND = 60.0
"""Time that a command of a killed flow may take to save and exit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The name, recipe and code of a run."""

    name: str
    profile: str = DEFAULT_PROFILE
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Values of params.yaml, nested or by dotted keys."""
    revision: str = ""
    """Commit, branch or tag; empty for the commit that the repository has checked out."""

    def __post_init__(self) -> None:
        # as a folder, a git reference and a DVC experiment
        is_valid = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name)
        if not is_valid or ".." in self.name or self.name.endswith((".", ".lock")):
            raise UserError(
                f"{self.name!r} cannot name a run: use up to 100 letters, digits, '-', '_' and '.'"
            )


def prepare(repository: Repository, request: Request) -> Path:
    """Create the workspace of a run, or find the existing one; an error leaves no partial one.

    Raises:
        UserError: if the revision is unknown, the name belongs to a run with another recipe or
            commit, or a parameter is invalid.
        CommandError: if the repository cannot be cloned.
    """
    folder = repository.runs / request.name
    with new_workspace(folder) as partial:
        if partial is None:
            _check_same_run(repository, folder, request)
            folder.touch()  # `esrgan runs --prune` might remove an old one before the flow uses it
        else:
            clone(repository, partial, request.revision)
            write_text(partial / PARAMS, _recipe(repository, partial, request))
            drop_uncached_stages(partial)
    return folder


@contextmanager
def new_workspace(folder: Path) -> Iterator[Path | None]:
    """A temporary folder that is renamed to `folder` on success; None if `folder` exists."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(creation_lock_path(folder)):
        if folder.is_dir():
            yield None
            return
        partial = folder.with_name(f".{folder.name}.partial")
        remove_tree(partial)
        try:
            yield partial
        except BaseException:
            remove_tree(partial)
            raise
        partial.rename(folder)


def _check_same_run(repository: Repository, folder: Path, request: Request) -> None:
    commit = git(["rev-parse", "HEAD"], folder)
    if request.revision:
        git(["fetch", "--quiet", "origin"], folder)
        if (requested := resolve_revision(folder, request.revision)) != commit:
            raise UserError(
                f"the run {request.name} has commit {commit[:10]}, not {requested[:10]}; choose "
                "another name, or omit the revision"
            )
    old = (folder / PARAMS).read_text(encoding="utf-8")
    if (new := _recipe(repository, folder, request)) != old:
        raise UserError(
            f"the run {request.name} has another recipe ({_first_difference(old, new)}); use the "
            "same profile and overrides to continue it, or choose another name"
        )


def _recipe(repository: Repository, folder: Path, request: Request) -> str:
    """The commit's params.yaml with the profile and the overrides applied."""
    params = folder / ".git" / "esrgan-params.yaml"
    write_text(params, git(["show", f"HEAD:{PARAMS}"], folder) + "\n")
    # the code of that commit knows which parameters its stages have; it may be an older layout
    is_old = (folder / "pipelines" / "params.py").is_file()
    module = ["pipelines.params"] if is_old else ["pipelines.cli", "params"]
    command = [sys.executable, "-m", *module, "--output", str(params)]
    if request.profile != DEFAULT_PROFILE:
        command += ["--profile", request.profile]
    for key, value in request.overrides.items():
        text = json.dumps(value, ensure_ascii=False)  # noqa: TID251  YAML, in one line
        command += ["--set", f"{key}={text}"]
    env = repository.environment(request.name)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(done.stderr.strip().replace(str(params), str(PARAMS)))
    return params.read_text(encoding="utf-8")


def _first_difference(old: str, new: str) -> str:
    before, after = (dict(flatten(YAML(typ="safe").load(text))) for text in (old, new))
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            return f"{key} is {before.get(key)!r} there and {after.get(key)!r} here"
    return "in its comments"


@contextmanager
def workspace_lock(folder: Path, seconds: float = SECONDS_FOR_INSPECTION) -> Iterator[None]:
    """Hold the lock of a workspace; a UserError if another flow holds it longer than `seconds`."""
    with ExitStack() as locks:
        try:
            locks.enter_context(FileLock(folder / FLOW_LOCK, timeout=seconds))
            with FileLock(folder / COMMAND_LOCK, timeout=SECONDS_FOR_COMMAND):
                pass
        except Timeout as error:
            raise UserError(
                f"the run {folder.name} is in progress; wait until it ends, or choose another name"
            ) from error
        yield


def creation_lock_path(folder: Path) -> Path:
    """The lock that is held while a workspace is created or removed."""
    return folder.with_name(f".{folder.name}.lock")
