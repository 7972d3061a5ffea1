"""The workspace that a registered model was made in, prepared again."""

from pathlib import Path

from pipelines.runs.workspace import Repository, WorkspaceError, prepare_as
from pipelines.tracking.model_registry import ModelVersion, read_origin

CHANGED = "+"
"""Ends the name of a commit whose files had been changed."""


def reproduce(source: Repository, version: ModelVersion, name: str) -> tuple[Path, list[str]]:
    """Prepare `runs/<name>` with a version's commit, parameters, data and DVC lock.

    Returns:
        (the folder, what may differ all the same).

    Raises:
        WorkspaceError: if the commit is not to be had, or the folder is another run's.
        ValueError: if the version does not say where it comes from.
    """
    origin = read_origin(version)
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
