"""The git repository that runs are cloned from and pushed to."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.config.errors import UserError
from pipelines.runtime.run_record import RUN
from pipelines.runtime.shell import git, output, resolve_commit
from pipelines.runtime.state import REPOSITORY
from pipelines.training.locks import WAIT_FOR_LOCK


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """The repository, and the state root that all runs share."""

    address: str
    """A path or a URL."""
    state: Path

    @property
    def is_local(self) -> bool:
        """Whether the address is a folder of this machine."""
        return Path(self.address).is_dir()

    @property
    def runs(self) -> Path:
        """The folder of workspaces."""
        return (Path(self.address) if self.is_local else self.state) / "runs"

    @property
    def cache(self) -> Path:
        """DVC's cache, which all runs share."""
        if not self.is_local:
            return self.state / "cache"
        return Path(output(["dvc", "cache", "dir"], Path(self.address)))

    def changed_files(self) -> list[str]:
        """Files in the working tree that differ from the commit; runs do not have the changes."""
        if not self.is_local:
            return []
        return git(["diff", "--name-only", "HEAD"], Path(self.address)).splitlines()

    def newer_commit(self, workspace: Path) -> str:
        """The commit that is checked out now; "" if the workspace has the same one."""
        commit = git(["ls-remote", self.address, "HEAD"], workspace).split("\t")[0]
        return "" if commit == git(["rev-parse", "HEAD"], workspace) else commit

    def environment(self, run: str) -> dict[str, str]:
        """The environment of processes that work for a run."""
        scripts = Path(sys.executable).parent
        return {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
            "ESRGAN_STATE": str(self.state),
            REPOSITORY: self.address,
            RUN: run,
            WAIT_FOR_LOCK: "1",
            "PYTHONUNBUFFERED": "1",
        }


def find_repository() -> Repository:
    """The repository that `ESRGAN_REPOSITORY` names, or the one that contains this code."""
    address = os.environ.get(REPOSITORY) or str(Path(__file__).parents[2])
    parts = urlsplit(address)
    is_remote = bool(parts.scheme or re.match(r"[^/]+@[^/]+:", address))
    # some hosts accept a token in the place of the user name
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise UserError(
            f"{REPOSITORY} contains a password or token, which logs would show; use a git "
            "credential helper instead"
        )
    if not is_remote and not (Path(address) / ".git").exists():
        raise UserError(
            f"{address} is not a git repository; set {REPOSITORY} to the path or URL of one"
        )
    state = os.environ.get("ESRGAN_STATE")
    if is_remote and not state:
        raise UserError(
            f"the repository {address} is remote: set ESRGAN_STATE to a folder for checkpoints "
            "and runs"
        )
    root = Path.cwd() if is_remote else Path(address).resolve()
    return Repository(
        address=address if is_remote else str(root), state=root / (state or ".esrgan")
    )


def clone(repository: Repository, folder: Path, revision: str) -> None:
    """Clone a revision into a folder; DVC there uses the cache and remotes of the repository."""
    git(["clone", "--quiet", "--no-checkout", repository.address, str(folder)], repository.runs)
    git(["checkout", "--quiet", "--detach", resolve_revision(folder, revision)], folder)
    for key in ("user.name", "user.email"):  # DVC commits, which needs an author
        if not output(["git", "config", key], folder, check=False):
            git(["config", key, "esrgan"], folder)
    local_config = Path(repository.address) / ".dvc" / "config.local"
    if repository.is_local and local_config.is_file():
        shutil.copy(local_config, folder / ".dvc" / "config.local")  # with its mode: it has secrets
    output(["dvc", "config", "--local", "cache.dir", str(repository.cache)], folder)
    if repository.is_local:
        # DVC resolves relative paths of remotes against the clone
        cloned = _remotes(folder)
        for name, url in _remotes(Path(repository.address)).items():
            if name in cloned and not urlsplit(url).scheme:
                output(["dvc", "remote", "modify", "--local", name, "url", url], folder)
    if remote := default_remote(folder):
        # by default DVC does not check the hashes of files that it pulls
        output(["dvc", "remote", "modify", "--local", remote, "verify", "true"], folder)


def resolve_revision(folder: Path, revision: str) -> str:
    """The commit that a clone's origin has for a commit, branch or tag; "" is its HEAD."""
    for name in (f"origin/{revision}", revision) if revision else ("HEAD",):
        if found := resolve_commit(name, folder):
            return found
    raise UserError(f"the repository has no revision {revision!r}")


def default_remote(folder: Path) -> str:
    """Name of DVC's default remote; "" if there is none."""
    return output(["dvc", "config", "core.remote"], folder, check=False)


def _remotes(folder: Path) -> dict[str, str]:
    """URLs of DVC's remotes by name; paths are absolute."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second

    with Repo(str(folder)) as repo:
        return {name: str(remote["url"]) for name, remote in repo.config["remote"].items()}
