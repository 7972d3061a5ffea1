"""`esrgan doctor`: what is wrong with this installation."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON; nothing secret is in it")
    ] = False,
) -> None:
    """Look at versions, devices, memory, disks, MLflow, S3, DVC and telemetry; name remedies.

    Nothing is changed. Exit code 1 if there is a fault; a remark is none.
    """
    from pipelines.doctor import examine  # noqa: PLC0415

    findings = []
    for one in examine():
        findings.append(one)
        if not as_json:
            mark = {"well": "  ", "remark": "? ", "fault": "! "}[one.state]
            typer.echo(f"{mark}{one.what}: {one.words}")
            if one.remedy:
                typer.echo(f"    {one.remedy}")
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in findings], indent=2))
    if any(one.state == "fault" for one in findings):
        raise typer.Exit(code=1)


COMMANDS = (doctor,)
