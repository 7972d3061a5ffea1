"""Prepares the workspace that a registered model was made in."""

from pathlib import Path

from pipelines.config.errors import UserError
from pipelines.runs.repository import Repository
from pipelines.runs.workspace import prepare_files
from pipelines.tracking.model_files import read_origin
from pipelines.tracking.model_registry import ModelVersion

CHANGED = "+"
"""Suffix of a commit whose files had uncommitted changes."""


def reproduce(repository: Repository, version: ModelVersion, name: str) -> tuple[Path, list[str]]:
    """Prepare `runs/<name>` with a version's commit, parameters, data and DVC lock.

    Returns:
        (the workspace, warnings about possible differences).

    Raises:
        UserError: if the commit is unknown, or the workspace belongs to another run.
        ValueError: if the version has no record of its origin.
    """
    origin = read_origin(version)
    commit = origin.pop("commit")
    if not commit:
        raise UserError(
            f"{version.model} version {version.version} was made outside git, so its code is "
            "unknown; choose a version that `esrgan models` lists with a commit"
        )
    warnings = []
    if commit.endswith(CHANGED):
        warnings.append(
            f"files differed from commit {commit[:10]} when the version was made; only "
            f"{', '.join(origin)} are restored; `dvc status` shows the stages that differ"
        )
    texts = {Path(path): text for path, text in origin.items()}
    return prepare_files(repository, name, commit.rstrip(CHANGED), texts), warnings
