"""`esrgan publish` and `esrgan prune`: results, and the checkpoints of trainings."""

import os
import shutil
from typing import Annotated

import typer

from pipelines.runtime.redaction import redact


def publish() -> None:
    """Add to MLflow what it lacks of the results in artifacts/ and of the curves of trainings.

    Uses MLFLOW_TRACKING_URI, else the database under .esrgan/. Safe to repeat: nothing is added
    twice. The curves of a killed training, or of one during which the store was down, are included
    (formerly `esrgan sync`).
    """
    from pipelines.config.artifacts import REPORT_PAGE
    from pipelines.config.params import load_params
    from pipelines.registry.promotion import register
    from pipelines.runtime.run_record import RUN, record_path
    from pipelines.runtime.state import in_repository
    from pipelines.stages.register import Params
    from pipelines.tracking.database import tracking_uri
    from pipelines.tracking.publish import complete_parent_run, publish_all, published_run_id
    from pipelines.tracking.uploader import upload_journals

    with in_repository():
        for folder, points in upload_journals():
            if points:
                typer.echo(f"{folder}: {points} points uploaded")
        stages = publish_all()
        result = f"added {', '.join(stages)}" if stages else "complete"
        typer.echo(f"MLflow at {redact(tracking_uri())}: {result}")
        if record_path("register").is_file():
            params = load_params(Params)
            run_id = published_run_id("register")
            decision = register(params.register, run_id)
            typer.echo(f"{decision.model} version {decision.version} is the {decision.alias}")
            if name := os.environ.get(RUN):
                complete_parent_run(name)
        if REPORT_PAGE.is_file():
            typer.echo(f"image page: {REPORT_PAGE.resolve()}")


def prune(
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished", help="also trainings that were cut, or whose result no lock names"
        ),
    ] = False,
    caches: Annotated[
        bool,
        typer.Option(
            "--caches",
            help="also prepared pairs, fetched files, copies of registered models, maps and the "
            "networks of the ablation, which are all made again when they are needed; not while "
            "the pipeline runs",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
) -> None:
    """Remove the checkpoints of finished trainings whose result is kept, by DVC or the ablation.

    Those of running trainings always stay. DVC's results are not touched, the ablation's networks
    only with --caches.
    """
    from pipelines.ops.prune import CACHES, remove, trainings
    from pipelines.runtime.disk import folder_bytes
    from pipelines.runtime.state import require_state_root, state_root

    require_state_root()
    freed = 0
    for training in trainings():
        goes = training.needless or (unfinished and training.state != "running")
        size = f"{training.bytes / 2**20:.1f} MiB"
        typer.echo(f"{'remove' if goes else 'keep'}  {training.folder}  {size}  {training.state}")
        if goes and (dry_run or remove(training)):
            freed += training.bytes
    for folder in (state_root() / name for name in CACHES):
        held = folder_bytes(folder)
        typer.echo(f"{'remove' if caches else 'keep'}  {folder}  {held / 2**20:.1f} MiB  cache")
        if caches:
            freed += held
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
    typer.echo(f"{'would free' if dry_run else 'freed'} {freed / 2**20:.1f} MiB")


COMMANDS = (publish, prune)
