"""`esrgan params`: change params.yaml, or check it."""

from pathlib import Path
from typing import Annotated

import typer


def params(
    profile: Annotated[str, typer.Option(help="a file in profiles/, such as full")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="a single value; may be repeated"),
    ] = None,
    output: Annotated[Path, typer.Option(help="the file to change")] = Path("params.yaml"),
) -> None:
    """Write a profile and single values into params.yaml, if every stage accepts them.

    Without options it checks params.yaml and adds the hashes of files and folders that it names.
    `git checkout params.yaml` undoes the change.

    Example: esrgan params --profile full --set pretrain.steps=500000
    """
    from pipelines.ops.params_file import write_params

    write_params(profile, set_ or [], output)
    typer.echo(f"wrote {output}; `dvc repro` runs the stages that it changes")
