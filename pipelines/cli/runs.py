"""`esrgan params`, `flow`, `runs` and `prune`: runs of the pipeline and their files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="a value of params.yaml; may be repeated"),
]


def params(
    profile: Annotated[str, typer.Option(help="a file in profiles/, such as full")] = "",
    set_: Assignments = None,
    output: Annotated[Path, typer.Option(help="the file to change")] = Path("params.yaml"),
) -> None:
    """Write a profile and single values into params.yaml, if every stage accepts them.

    Without options it checks params.yaml and adds the hashes of files and folders that it names.
    `git checkout params.yaml` undoes the change.

    Example: esrgan params --profile full --set pretrain.steps=500000
    """
    from pipelines.stages.params_check import write_params

    write_params(profile, set_ or [], output)
    typer.echo(f"wrote {output}; `dvc repro` runs the stages that it changes")


def flow(
    profile: Annotated[str, typer.Option(help="sample, or a file in profiles/")] = "sample",
    set_: Assignments = None,
    revision: Annotated[str, typer.Option(help="commit, branch or tag; default: HEAD")] = "",
    name: Annotated[str, typer.Option(help="of the run; that of an earlier run continues it")] = "",
    update_data: Annotated[
        bool, typer.Option("--update-data", help="look for a newer version of imported data first")
    ] = False,
) -> None:
    """Run the whole pipeline as Prefect does, without a permanent server.

    It works in runs/NAME and is saved as DVC's experiment NAME. Only what is committed is run: the
    profile `sample` is params.yaml as it is.
    `make prefect` starts a server that runs flows in the background.

    Example: esrgan flow --name long --set pretrain.steps=500000
    """
    from pipelines.config.params import parse_assignments
    from pipelines.ops.flow import run_flow
    from pipelines.runs.repository import find_repository
    from pipelines.runs.workspace import Request, prepare

    request = Request(
        name=name or f"flow-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        profile=profile,
        overrides=parse_assignments(set_ or []),
        revision=revision,
    )
    repository = find_repository()
    folder = prepare(repository, request)
    typer.echo(f"run {request.name} in {folder}")
    raise typer.Exit(code=run_flow(repository, request, folder, update_data=update_data))


def runs(
    prune: Annotated[bool, typer.Option("--prune", help="remove folders of saved runs")] = False,
    days: Annotated[float, typer.Option(help="with --prune: only if unused for this long")] = 7,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="with --prune: only list")] = False,
) -> None:
    """List the folders of runs, and whether they can be removed.

    A saved run is an experiment of the repository, with its files in DVC's cache: `dvc exp apply
    NAME` restores it. Runs that are running, unfinished or changed are never removed.

    Example: esrgan runs --prune --days 30
    """
    from pipelines.ops.prune import list_runs

    for line in list_runs(prune=prune, days=days, dry_run=dry_run):
        typer.echo(line)


def prune(
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="also of interrupted and unlocked trainings")
    ] = False,
    caches: Annotated[
        bool, typer.Option("--caches", help="also all caches; not while the pipeline runs")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list them")] = False,
) -> None:
    """Remove checkpoints of finished trainings whose result DVC or the ablation has.

    Checkpoints of running trainings and DVC's results are never removed. A training is unlocked if
    no dvc.lock names its result. The caches are prepared pairs, downloads, registered models,
    semantic maps and networks of the ablation, which are created again when they are needed.

    Example: esrgan prune --caches --dry-run
    """
    from pipelines.ops.prune import prune as prune_state_root
    from pipelines.runtime.state import require_state_root

    require_state_root()
    for line in prune_state_root(unfinished=unfinished, caches=caches, dry_run=dry_run):
        typer.echo(line)
