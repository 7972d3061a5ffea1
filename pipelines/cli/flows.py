"""`esrgan flow` and `esrgan runs`: whole runs of the pipeline, each in a clone of its own."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer


def flow(
    profile: Annotated[
        str, typer.Option(help="sample for params.yaml as it is, or a file of profiles/, as full")
    ] = "sample",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of params.yaml, as pretrain.steps=500000"),
    ] = None,
    revision: Annotated[
        str, typer.Option(help="commit, branch or tag; else what is checked out")
    ] = "",
    name: Annotated[
        str, typer.Option(help="of the run; that of an earlier one goes on with it")
    ] = "",
    update_data: Annotated[
        bool, typer.Option("--update-data", help="look for a newer version of imported data first")
    ] = False,
) -> None:
    """Run the whole pipeline here and now as Prefect would, without a server.

    It works in runs/NAME and is saved as DVC's experiment NAME. What is committed is run, not what
    is merely in the working tree. `make prefect` starts a server that does the same in the
    background.
    """
    from esrgan_core.strict_json import to_json
    from pipelines.config.errors import UserError
    from pipelines.config.params import parse_assignments
    from pipelines.runs.repository import find_repository
    from pipelines.runs.supervisor import SECONDS_TO_SAVE, close_failed_runs, supervise
    from pipelines.runs.workspace import Request, prepare, workspace_lock

    repository = find_repository()
    name = name or f"flow-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    overrides = parse_assignments(set_ or [])
    request = Request(name=name, profile=profile, overrides=overrides, revision=revision)
    folder = prepare(repository, request)
    typer.echo(f"run {name} in {folder}")
    os.environ |= repository.environment(name)
    os.chdir(folder)
    words = {
        "profile": profile,
        "overrides": overrides,
        "revision": revision,
        "name": name,
        "update_data": update_data,
    }
    command = [sys.executable, "-P", "-m", "pipelines.flows.local_server", "run", to_json(words)]
    # a stage has a supervisor of its own, which must come to its end before
    code = supervise(command, seconds_to_save=2 * SECONDS_TO_SAVE)
    if code:
        # unless another flow works in it
        with suppress(UserError), workspace_lock(folder, seconds=0):
            close_failed_runs(name, code)
    raise typer.Exit(code=code)


def runs(
    prune: Annotated[
        bool, typer.Option("--prune", help="remove the folders of runs that are saved")
    ] = False,
    days: Annotated[
        float, typer.Option(help="with --prune: only what nobody has used for so long")
    ] = 7,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="with --prune: only say what would go")
    ] = False,
) -> None:
    """List the runs' folders in runs/, and what stands in the way of removing them.

    What is saved is an experiment of the repository, its files in DVC's cache: `dvc exp apply NAME`
    brings it back. A run that is under way, unfinished or changed since stays.
    """
    from pipelines.runs.experiments import list_workspaces, remove
    from pipelines.runs.repository import find_repository
    from pipelines.runtime.disk import folder_bytes

    repository = find_repository()
    for one in list_workspaces(repository):
        old = datetime.now(UTC) - one.used > timedelta(days=days)
        goes = prune and one.state == "saved" and old
        size = f"{folder_bytes(one.folder) / 2**20:.1f} MiB"
        word = "remove" if goes else "keep"
        typer.echo(f"{word}  {one.folder.name}  {size}  {one.state}  {one.used:%Y-%m-%d %H:%M}")
        if goes and not dry_run and not remove(repository, one):
            typer.echo(f"keep  {one.folder.name} after all: it is in use by now")


COMMANDS = (flow, runs)
