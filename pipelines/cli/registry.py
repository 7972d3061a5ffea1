"""`esrgan publish`, `models`, `promote`, `rollback` and `reproduce`: MLflow and its models."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.evaluation.config import RegisterConfig

ModelOption = Annotated[
    str, typer.Option("--model", help="a name; default: register.model of params.yaml")
]


def publish() -> None:
    """Add the results in artifacts/ and the curves of trainings to MLflow, as far as it lacks them.

    These include curves of killed trainings, and of trainings during which MLflow was down. The
    store is MLFLOW_TRACKING_URI, or else the database in .esrgan/. The command can be repeated.

    Example: MLFLOW_TRACKING_URI=http://mlflow.example.org esrgan publish
    """
    from pipelines.ops.publish import publish_results

    for line in publish_results():
        typer.echo(line)


def models(
    model: ModelOption = "",
    reasons: Annotated[bool, typer.Option("--reasons", help="also list the gates")] = False,
) -> None:
    """List the versions of the registered model with their aliases, origin and metrics.

    Example: esrgan models --reasons
    """
    from pipelines.ops.model_listing import describe_model

    for line in describe_model(model or _config().model, reasons=reasons):
        typer.echo(line)


def promote(
    version: Annotated[str, typer.Argument(help="a number, an alias or models:/NAME/VERSION")],
    reason: Annotated[str, typer.Option(help="recorded with the decision")] = "",
    force: Annotated[bool, typer.Option("--force", help="even if a gate fails")] = False,
) -> None:
    """Make a version the champion, if it passes every gate against the present one.

    Example: esrgan promote challenger
    """
    from dataclasses import replace

    from pipelines.config.errors import UserError
    from pipelines.registry import promotion
    from pipelines.runtime.state import require_state_root
    from pipelines.tracking.model_registry import get_version, parse_uri

    require_state_root()
    if force and not reason:
        raise UserError("--force needs a --reason, which is recorded with the decision")
    config = _config()
    name, wanted = parse_uri(version, config.model)
    number = get_version(name, wanted).version
    for gate in promotion.promote(replace(config, model=name), number, reason, force=force):
        typer.echo(f"{'yes' if gate.holds else 'no '}  {gate.rule}: {gate.figures}")
    typer.echo(f"{name} version {number} is the champion")


def rollback(model: ModelOption = "") -> None:
    """Make the previous champion the champion again.

    Example: esrgan rollback
    """
    from pipelines.registry import promotion
    from pipelines.runtime.state import require_state_root

    require_state_root()
    name = model or _config().model
    old, new = promotion.rollback(name)
    typer.echo(f"{name} version {new} is the champion again, instead of version {old}")


def reproduce(
    version: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS")],
    name: Annotated[str, typer.Option(help="of the run; default: from the version")] = "",
) -> None:
    """Prepare runs/NAME with the commit, parameters, data and lock that a version was made from.

    `dvc repro` there produces the same model: at once if DVC's cache has the files, or by training
    again with `dvc repro --force`.

    Example: esrgan reproduce models:/esrgan@champion
    """
    from pipelines.runs.repository import find_repository
    from pipelines.runs.reproduce import reproduce as prepare_run
    from pipelines.tracking.model_registry import get_version, parse_uri

    model, wanted = parse_uri(version, "")
    found = get_version(model or _config().model, wanted)
    name = name or f"{found.model}-version-{found.version}"
    folder, notes = prepare_run(find_repository(), found, name)
    typer.echo(f"{folder}: commit {found.tags['git.commit']}, data {found.tags['data.md5']}")
    for note in notes:
        typer.echo(f"  {note}")
    typer.echo(f"cd {folder} && dvc repro")


def _config() -> "RegisterConfig":
    from pipelines.config.params import load_section
    from pipelines.evaluation.config import RegisterConfig

    return load_section("register", RegisterConfig)
