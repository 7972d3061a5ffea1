"""A clone for every run of the flow: it touches nobody's tree and waits for nobody's lock.

`runs/<name>/` in the repository, with the repository's DVC cache and its own parameters. A run of
the same name goes on in it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from esrgan_core.files import write_text
from pipelines.config.params import PARAMS, flatten
from pipelines.runs.dvc_graph import forget_what_is_lost
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.run_record import RUN
from pipelines.runtime.shell import git, output, resolve_commit
from pipelines.runtime.state import REPOSITORY
from pipelines.training.locks import WAIT_FOR_LOCK

RECIPE_OF_PARAMS = "sample"
"""The profile that is params.yaml as it is."""
SECONDS_FOR_A_LOOK = 30.0
"""That a flow waits for `esrgan runs`, which may be looking at its workspace."""
SECONDS_FOR_AN_END = 60.0
"""That a command may take to save and to close what it has begun."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class WorkspaceError(ValueError):
    """A run that cannot be had as it is asked for; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Which recipe and which code a run has."""

    name: str
    profile: str = RECIPE_OF_PARAMS
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Values of params.yaml, nested or by dotted names."""
    revision: str = ""
    """Commit, branch or tag; empty for what the repository has checked out."""

    def __post_init__(self) -> None:
        """Refuse a name that is no folder, no git reference, or no experiment."""
        usable = NAME.fullmatch(self.name) and not self.name.endswith((".", ".lock"))
        if not usable or ".." in self.name:
            raise WorkspaceError(
                f"{self.name!r} cannot name a run: letters, digits, '-', '_' and '.' can, up to 100"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """Where runs are cloned from and pushed to."""

    address: str
    """A path or a URL."""
    state: Path
    """The state root that all runs share."""

    @property
    def local(self) -> bool:
        """Whether it lies on this machine."""
        return Path(self.address).is_dir()

    @property
    def runs(self) -> Path:
        """The folder of workspaces."""
        return (Path(self.address) if self.local else self.state) / "runs"

    @property
    def cache(self) -> Path:
        """DVC's cache, which all runs share."""
        if not self.local:
            return self.state / "cache"
        return Path(output(["dvc", "cache", "dir"], Path(self.address)))


def repository() -> Repository:
    """The one that `ESRGAN_REPOSITORY` names, else the one that this code lies in.

    Raises:
        WorkspaceError: if there is none, or no place for what its runs leave.
    """
    address = os.environ.get(REPOSITORY) or str(Path(__file__).parents[2])
    parts = urlsplit(address)
    remote = bool(parts.scheme) or bool(re.match(r"[^/]+@[^/]+:", address))
    # a token may stand where the user's name would
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise WorkspaceError(
            f"{REPOSITORY} has a password or a token in it, which logs would show; leave that to "
            "git's credential helper"
        )
    if not remote and not (Path(address) / ".git").exists():
        raise WorkspaceError(
            f"{address} is no git repository; set {REPOSITORY} to a path or an address of one"
        )
    state = os.environ.get("ESRGAN_STATE")
    if remote and not state:
        raise WorkspaceError(
            "ESRGAN_STATE must name a folder for checkpoints and runs, since the repository is "
            f"{address}"
        )
    root = Path.cwd() if remote else Path(address).resolve()
    return Repository(address=address if remote else str(root), state=root / (state or ".esrgan"))


def environment(source: Repository, name: str) -> dict[str, str]:
    """What processes that work in a workspace see."""
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "ESRGAN_STATE": str(source.state),
        REPOSITORY: source.address,
        RUN: name,
        WAIT_FOR_LOCK: "1",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def prepare(source: Repository, request: Request) -> Path:
    """The workspace of a run: made whole or not at all, or found again.

    Raises:
        WorkspaceError: for an unknown revision, a name that belongs to another recipe or commit, or
            parameters that no stage knows, with the nearest valid name.
        CommandError: if the repository cannot be cloned.
    """
    folder = source.runs / request.name
    with _made_whole(source, request.name) as partial:
        if partial is None:
            _check_same_run(source, folder, request)
            folder.touch()  # or it might be removed for being old before the flow works in it
        else:
            _cloned(source, partial, request.revision)
            write_text(partial / PARAMS, _recipe(source, partial, request))
            forget_what_is_lost(partial)
    return folder


def prepare_as(source: Repository, name: str, commit: str, texts: Mapping[Path, str]) -> Path:
    """A workspace of a commit with some files as they are given; made whole or not at all.

    Raises:
        WorkspaceError: if the repository lacks the commit, or another run has the name.
        CommandError: if the repository cannot be cloned.
    """
    folder = source.runs / Request(name=name).name
    with _made_whole(source, name) as partial:
        if partial is not None:
            _cloned(source, partial, commit)
            for path, text in texts.items():
                write_text(partial / path, text)
        elif git(["rev-parse", "HEAD"], folder) != commit or any(
            (folder / path).read_text(encoding="utf-8") != text
            for path, text in texts.items()
            if path == PARAMS
        ):
            raise WorkspaceError(f"{folder} is another run's; take another --name")
    return folder


@contextmanager
def _made_whole(source: Repository, name: str) -> Iterator[Path | None]:
    """A folder to fill that then becomes the workspace; None if that is there already."""
    folder = source.runs / name
    source.runs.mkdir(parents=True, exist_ok=True)
    with FileLock(making_lock_of(folder)):
        if folder.is_dir():
            yield None
            return
        partial = source.runs / f".{name}.partial"
        remove_tree(partial)
        try:
            yield partial
        except BaseException:
            remove_tree(partial)
            raise
        partial.rename(folder)


def _cloned(source: Repository, partial: Path, revision: str) -> None:
    git(["clone", "--quiet", "--no-checkout", source.address, str(partial)], source.runs)
    git(["checkout", "--quiet", "--detach", _commit(partial, revision)], partial)
    _configure(source, partial)


def _check_same_run(source: Repository, folder: Path, request: Request) -> None:
    has = git(["rev-parse", "HEAD"], folder)
    if request.revision:
        git(["fetch", "--quiet", "origin"], folder)
        if (wanted := _commit(folder, request.revision)) != has:
            raise WorkspaceError(
                f"the run {request.name} is of commit {has[:10]}, not {wanted[:10]}; take another "
                "name, or leave the revision away"
            )
    now, then = _recipe(source, folder, request), (folder / PARAMS).read_text(encoding="utf-8")
    if now != then:
        raise WorkspaceError(
            f"the run {request.name} has another recipe, {_first_difference(then, now)}; give the "
            "same profile and overrides to go on with it, or take another name"
        )


def _recipe(source: Repository, folder: Path, request: Request) -> str:
    """Text of params.yaml as the commit has it, with the profile and the overrides written in."""
    made = folder / ".git" / "esrgan-params.yaml"
    write_text(made, git(["show", f"HEAD:{PARAMS}"], folder) + "\n")
    # by the code of that commit: what is valid is what its stages read
    is_old = (folder / "pipelines" / "params.py").is_file()
    module = ["pipelines.params"] if is_old else ["pipelines.cli", "params"]
    command = [sys.executable, "-m", *module, "--output", str(made)]
    if request.profile != RECIPE_OF_PARAMS:
        command += ["--profile", request.profile]
    for key, value in request.overrides.items():
        text = json.dumps(value, ensure_ascii=False)  # noqa: TID251  YAML, in one line
        command += ["--set", f"{key}={text}"]
    env = environment(source, request.name)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkspaceError(done.stderr.strip().replace(str(made), str(PARAMS)))
    return made.read_text(encoding="utf-8")


def _first_difference(one: str, other: str) -> str:
    """The first parameter that two texts of params.yaml do not agree on."""
    then, now = (dict(flatten(YAML(typ="safe").load(text))) for text in (one, other))
    for key in {**then, **now}:
        if then.get(key) != now.get(key):
            return f"{key} is {then.get(key)!r} there and {now.get(key)!r} here"
    return "in its comments"


def _commit(folder: Path, revision: str) -> str:
    for name in (f"origin/{revision}", revision) if revision else ("HEAD",):
        if found := resolve_commit(name, folder):
            return found
    raise WorkspaceError(f"the repository has no revision {revision!r}")


def _configure(source: Repository, folder: Path) -> None:
    """Let DVC use the repository's cache, and what only this machine knows of its remotes."""
    own = Path(source.address) / ".dvc" / "config.local"
    if source.local and own.is_file():
        shutil.copy(own, folder / ".dvc" / "config.local")  # nobody else may read it, as before
    output(["dvc", "config", "--local", "cache.dir", str(source.cache)], folder)
    if source.local:
        # a path in DVC's configuration is relative to the repository
        here = _remotes(folder)
        for name, url in _remotes(Path(source.address)).items():
            if name in here and not urlsplit(url).scheme:
                output(["dvc", "remote", "modify", "--local", name, "url", url], folder)
    if remote := output(["dvc", "config", "core.remote"], folder, fails=True):
        # else DVC takes whatever a remote gives for what it should be
        output(["dvc", "remote", "modify", "--local", remote, "verify", "true"], folder)
    for key in ("user.name", "user.email"):
        # DVC's commits need someone who made them
        if not output(["git", "config", key], folder, fails=True):
            git(["config", key, "esrgan"], folder)


def _remotes(folder: Path) -> dict[str, str]:
    """Addresses of DVC's remotes; paths are absolute."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second

    with Repo(str(folder)) as repo:
        return {name: str(remote["url"]) for name, remote in repo.config["remote"].items()}


def changed_files(source: Repository) -> list[str]:
    """Files in the repository's tree that differ from its commit, which runs do not have."""
    if not source.local:
        return []
    return git(["diff", "--name-only", "HEAD"], Path(source.address)).splitlines()


def newer_commit(source: Repository, folder: Path) -> str:
    """What the repository has checked out by now, if it is not what a workspace is of; else ""."""
    now = git(["ls-remote", source.address, "HEAD"], folder).split("\t")[0]
    return "" if now == git(["rev-parse", "HEAD"], folder) else now


@contextmanager
def workspace_lock(folder: Path, seconds: float = SECONDS_FOR_A_LOOK) -> Iterator[None]:
    """Be the only flow that works in a workspace, once all is over that a killed one has begun.

    Args:
        folder: the workspace.
        seconds: to wait where `esrgan runs` may be looking at it.

    Raises:
        WorkspaceError: if another one does.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(lock_of(folder), timeout=seconds))
            with FileLock(command_lock_of(folder), timeout=SECONDS_FOR_AN_END):
                pass
        except Timeout as error:
            raise WorkspaceError(
                f"a run {folder.name} is under way; wait for it, or take another name"
            ) from error
        yield


def making_lock_of(folder: Path) -> Path:
    """The lock that is held while a workspace is made or removed."""
    return folder.with_name(f".{folder.name}.lock")


def lock_of(folder: Path) -> Path:
    """The lock that a flow holds while it works in a workspace."""
    return folder / ".git" / "esrgan-running.lock"


def command_lock_of(folder: Path) -> Path:
    """The lock that a command of a flow holds, which ends seconds after a flow that is killed."""
    return folder / ".git" / "esrgan-command.lock"
