"""`esrgan models`, `promote`, `rollback` and `reproduce`: versions of the registered model."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.evaluation.config import RegisterConfig

NAMED = "name in the registry; else register.model of params.yaml"


def _name(given: str) -> str:
    return given or _config().model


def _config() -> "RegisterConfig":
    from pipelines.config.params import load_section
    from pipelines.evaluation.config import RegisterConfig

    return load_section("register", RegisterConfig)


def models(
    model: Annotated[str, typer.Option(help=NAMED)] = "",
    reasons: Annotated[
        bool, typer.Option("--reasons", help="also why each became what it is")
    ] = False,
) -> None:
    """List the versions of the registered model with their aliases, origin and figures."""
    from pipelines.tracking.model_table import list_model

    name = _name(model)
    listing = list_model(name)
    held: dict[str, list[str]] = {}
    for alias, version in listing.aliases.items():
        held.setdefault(version, []).append(alias)
    if not listing.versions:
        typer.echo(f"there is no model {name} yet; `dvc repro` registers one")
    for listed in listing.versions:
        one = listed.version
        tags = one.tags
        figures = ""
        if listed.alpha is not None:
            figures = "  ".join(
                f"{set_name}: " + ", ".join(f"{m} {v:.3f}" for m, v in values.items())
                for set_name, values in listed.results.items()
            )
            figures = f"alpha {listed.alpha:g}  {figures}"
        typer.echo(
            f"{name} {one.version}  {' '.join(held.get(one.version, [])) or '-'}  "
            f"{one.created:%Y-%m-%d %H:%M}  commit {tags.get('git.commit', '')[:10] or 'unknown'}  "
            f"data {tags.get('data.md5', '')[:10] or 'unknown'}  "
            f"params {tags.get('params.sha256', '')[:10] or 'unknown'}"
        )
        typer.echo(f"    {figures or 'no evidence that can be read'}")
        if reasons:
            for reason in one.content["reasons"]:
                word = "yes" if reason["holds"] else "no "
                typer.echo(f"    {word}  {reason['rule']}: {reason['figures']}")
    for line in listing.history:
        how = "by force" if line["forced"] else "by the gates"
        undone = f", rolled back {line['rolled_back']}" if "rolled_back" in line else ""
        typer.echo(f"champion {line['version']} since {line['when']}{undone}, {how}: {line['why']}")


def promote(
    version: Annotated[str, typer.Argument(help="number or alias, or models:/NAME/VERSION")],
    reason: Annotated[str, typer.Option(help="kept with the decision")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="also if it does not pass; needs a --reason")
    ] = False,
    model: Annotated[str, typer.Option(help=NAMED)] = "",
) -> None:
    """Make a version the champion, if it passes every gate against the present one.

    Example: esrgan promote challenger
    """
    from dataclasses import replace

    from pipelines.registry import promotion
    from pipelines.runtime.state import require_state_root
    from pipelines.tracking.model_registry import get_version, parse_uri

    require_state_root()
    if force and not reason:
        raise ValueError("--force needs a --reason, which is kept with the decision")
    name, wanted = parse_uri(version, _name(model))
    number = get_version(name, wanted).version
    config = replace(_config(), model=name)
    for one in promotion.promote(config, number, reason, force=force):
        typer.echo(f"{'yes' if one.holds else 'no '}  {one.rule}: {one.figures}")
    typer.echo(f"{name} version {number} is the champion")


def rollback(model: Annotated[str, typer.Option(help=NAMED)] = "") -> None:
    """Make the champion before the present one champion again."""
    from pipelines.registry import promotion
    from pipelines.runtime.state import require_state_root

    require_state_root()
    name = _name(model)
    was, now = promotion.rollback(name)
    typer.echo(f"{name} version {now} is the champion again, version {was} no longer")


def reproduce(
    version: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS")],
    name: Annotated[str, typer.Option(help="of the run; else made from the version")] = "",
) -> None:
    """Prepare runs/NAME with the commit, parameters, data and lock that a version was made from.

    `dvc repro` there then gives the same model: at once where DVC's cache has its files, by
    training it anew with `dvc repro --force`.
    """
    from pipelines.runs.repository import find_repository
    from pipelines.runs.reproduce import reproduce as prepare_again
    from pipelines.tracking.model_registry import get_version, parse_uri

    model, wanted = parse_uri(version, _name(""))
    found = get_version(model, wanted)
    name = name or f"{model}-version-{found.version}"
    folder, remarks = prepare_again(find_repository(), found, name)
    typer.echo(f"{folder}: commit {found.tags['git.commit']}, data {found.tags['data.md5']}")
    for remark in remarks:
        typer.echo(f"  {remark}")
    typer.echo(f"cd {folder} && dvc repro")


COMMANDS = (models, promote, rollback, reproduce)
