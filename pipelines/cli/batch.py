"""Many files, of which some may be bad: the rest is done, the bad ones are named at the end."""

from collections.abc import Iterable

import typer

from pipelines.runtime.redaction import redact


def end(failures: Iterable[str]) -> None:
    """Name what failed and exit with 1; return if nothing did."""
    lines = list(failures)
    if lines:
        typer.echo(f"{len(lines)} could not be done:", err=True)
        for line in lines:
            typer.echo(f"  {redact(line)}", err=True)
        raise typer.Exit(code=1)
