"""The workspace that a registered model was made in, prepared again."""

from pathlib import Path

from pipelines.tracking.models import Registered, origin_of
from pipelines.workspace import Repository, WorkspaceError, prepare_as

CHANGED = "+"
"""Ends the name of a commit whose files had been changed."""


def reproduce(source: Repository, version: Registered, name: str) -> tuple[Path, list[str]]:
    """Prepare `runs/<name>` with a version's commit, parameters, data and DVC lock.

    Returns:
        (the folder, what may differ all the same).

    Raises:
        WorkspaceError: if the commit is not to be had, or the folder is another run's.
        ValueError: if the version does not say where it comes from.
    """
    origin = origin_of(version)
    commit = origin.pop("commit")
    if not commit:
        raise WorkspaceError(f"{version.model} version {version.version} was made outside git")
    remarks = []
    if commit.endswith(CHANGED):
        remarks.append(
            f"files differed from commit {commit[:10]} when it was made; params.yaml, data.dvc "
            "and dvc.lock are as they were, other files are the commit's: `dvc status` compares "
            "them with what was run"
        )
    texts = {Path(path): text for path, text in origin.items()}
    folder = prepare_as(source, name, commit.rstrip(CHANGED), texts)
    return folder, remarks


def parse_uri(uri: str, default: str) -> tuple[str, str]:
    """(model, version or alias) of `models:/esrgan/3`, `models:/esrgan@champion` or just `3`.

    >>> parse_uri("models:/esrgan@champion", ""), parse_uri("3", "esrgan")
    (('esrgan', 'champion'), ('esrgan', '3'))

    Raises:
        ValueError: if it is none of these.
    """
    rest = uri.removeprefix("models:/")
    if rest == uri:
        return default, uri
    for mark in ("@", "/"):
        model, found, version = rest.partition(mark)
        if found and model and version:
            return model, version
    raise ValueError(f"{uri!r} is neither models:/NAME/VERSION nor models:/NAME@ALIAS")
