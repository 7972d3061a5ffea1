"""`esrgan publish` and `esrgan prune`: MLflow's store and the state root."""

from typing import Annotated

import typer


def publish() -> None:
    """Add the results in artifacts/ and the curves of trainings to MLflow, as far as it lacks them.

    These include curves of killed trainings, and of trainings during which MLflow was down. The
    store is MLFLOW_TRACKING_URI, or else the database in .esrgan/. The command can be repeated.

    Example: MLFLOW_TRACKING_URI=http://mlflow.example.org esrgan publish
    """
    from pipelines.ops.publish import publish_results

    for line in publish_results():
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
