"""Runs of the pipeline: start one by Prefect, list the folders in runs/, remove them."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from esrgan_core.strict_json import to_json
from pipelines.config.errors import UserError
from pipelines.runs.experiments import list_workspaces, remove
from pipelines.runs.repository import Repository, find_repository
from pipelines.runs.supervisor import SECONDS_TO_SAVE, close_failed_runs, supervise
from pipelines.runs.workspace import Request, workspace_lock
from pipelines.runtime.disk import folder_bytes


def run_flow(repository: Repository, request: Request, folder: Path, *, update_data: bool) -> int:
    """Run the flow in a workspace, which becomes the current folder; the exit code."""
    os.environ |= repository.environment(request.name)
    os.chdir(folder)
    parameters = to_json(asdict(request) | {"update_data": update_data})
    command = [sys.executable, "-P", "-m", "pipelines.flows.local_server", "run", parameters]
    # twice, since the stages have supervisors of their own, which must end first
    code = supervise(command, seconds_to_save=2 * SECONDS_TO_SAVE)
    if code:
        # unless another flow works in it
        with suppress(UserError), workspace_lock(folder, seconds=0):
            close_failed_runs(request.name, code)
    return code


def list_runs(*, prune: bool, days: float, dry_run: bool) -> Iterator[str]:
    """A line for each folder; `prune` removes those that are saved and unused for `days`."""
    repository = find_repository()
    for run in list_workspaces(repository):
        is_old = datetime.now(UTC) - run.used > timedelta(days=days)
        is_removed = prune and run.state == "saved" and is_old
        size = f"{folder_bytes(run.folder) / 2**20:.1f} MiB"
        verb = "remove" if is_removed else "keep"
        yield f"{verb}  {run.folder.name}  {size}  {run.state}  {run.used:%Y-%m-%d %H:%M}"
        if is_removed and not dry_run and not remove(repository, run):
            yield f"keep  {run.folder.name}: it is in use now"
