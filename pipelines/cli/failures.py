"""Failures of single files, listed when the other files are done."""

from collections.abc import Iterable

import typer

from pipelines.runtime.redaction import redact


def exit_if_any(failures: Iterable[str]) -> None:
    """Print failures and exit with code 1; return if there are none."""
    if lines := list(failures):
        typer.echo("\n  ".join([f"{len(lines)} failed:", *map(redact, lines)]), err=True)
        raise typer.Exit(code=1)
