"""Prepares the workspace that a registered model was made in."""

from pathlib import Path

from esrgan_core.files import write_text
from pipelines.config.errors import UserError
from pipelines.config.params import PARAMS
from pipelines.runs.repository import Repository, clone
from pipelines.runs.workspace import Request, new_workspace
from pipelines.runtime.shell import git
from pipelines.tracking.model_files import read_origin
from pipelines.tracking.model_registry import ModelVersion

CHANGED = "+"
"""Suffix of a commit whose files had uncommitted changes."""


def reproduce(repository: Repository, version: ModelVersion, name: str) -> tuple[Path, list[str]]:
    """Prepare `runs/<name>` as a version was made; return it, and warnings about differences.

    Raises:
        UserError: if the origin of the version is unknown, or the workspace belongs to another run.
    """
    texts = read_origin(version)
    commit = texts.pop("commit")
    if not commit:
        raise UserError(
            f"{version.model} version {version.version} was made outside git, so its code is "
            "unknown; choose a version that `esrgan models` lists with a commit"
        )
    warnings = []
    if commit.endswith(CHANGED):
        commit = commit.rstrip(CHANGED)
        warnings.append(
            f"files differed from commit {commit[:10]} when the version was made; of these only "
            f"{', '.join(texts)} are restored; `dvc status` shows the stages that differ"
        )
    folder = repository.runs / Request(name=name).name
    with new_workspace(folder) as partial:
        if partial is not None:
            clone(repository, partial, commit)
            for path, text in texts.items():
                write_text(partial / path, text)
        else:
            params = (folder / PARAMS).read_text(encoding="utf-8")
            head = git(["rev-parse", "HEAD"], folder)
            if head != commit or texts.get(str(PARAMS), params) != params:
                raise UserError(f"{folder} belongs to another run; choose another --name")
    return folder, warnings
