"""`esrgan flow`: a run of the pipeline by Prefect, without a permanent server."""

import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from esrgan_core.strict_json import to_json
from pipelines.config.errors import UserError
from pipelines.runs.repository import Repository
from pipelines.runs.supervisor import SECONDS_TO_SAVE, close_failed_runs, supervise
from pipelines.runs.workspace import Request, workspace_lock


def run_flow(repository: Repository, request: Request, folder: Path, *, update_data: bool) -> int:
    """Run the flow in a workspace, which becomes the current folder; the exit code."""
    os.environ |= repository.environment(request.name)
    os.chdir(folder)
    parameters = to_json(asdict(request) | {"update_data": update_data})
    command = [sys.executable, "-P", "-m", "pipelines.flows.local_server", "run", parameters]
    # twice, since the stages have supervisors of their own, which must end first
    if code := supervise(command, seconds_to_save=2 * SECONDS_TO_SAVE):
        # unless another flow works in it
        with suppress(UserError), workspace_lock(folder, seconds=0):
            close_failed_runs(request.name, code)
    return code
