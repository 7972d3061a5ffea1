"""The command line: `esrgan`."""

import os
import sys

# before torch is imported: large tensors in large pages, which take less time to clear
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import typer

from pipelines.cli import (
    data,
    flows,
    machine,
    models,
    params,
    registry,
    reports,
    tracking,
    upscaling,
)
from pipelines.cli import images as images
from pipelines.cli.extras import describe_missing_extra
from pipelines.runtime.errors import is_transient
from pipelines.runtime.redaction import redact
from pipelines.runtime.status import Status, write_status
from pipelines.tracking.errors import StoreError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, measure and publish super-resolution networks.\n\n"
    "The pipeline itself is DVC's: `dvc repro` runs it, `dvc metrics show` prints its figures.",
)
for module in (
    upscaling, data, images, models, params, reports, tracking, registry, flows, machine,
):  # fmt: skip
    for command in module.COMMANDS:
        app.command()(command)
app.add_typer(data.catalog, name="catalog")
app.add_typer(machine.plan, name="plan")


def main() -> None:
    """Run the command line; a mistake of the user's ends with its message alone."""
    try:
        app()
    except (ValueError, OSError, StoreError, ModuleNotFoundError) as error:
        problem = _problem(error)
        if problem is None or os.environ.get("ESRGAN_TRACEBACK"):
            raise
        write_status(Status(what="esrgan", problem=problem, transient=is_transient(error)))
        sys.exit(f"esrgan: {problem}")


def _problem(error: Exception) -> str | None:
    """What the user has to know; None for a defect, which needs its traceback."""
    if isinstance(error, ModuleNotFoundError):
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        return describe_missing_extra(error, command)
    return redact(str(error))


if __name__ == "__main__":
    main()
