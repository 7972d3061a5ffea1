"""The command line: `esrgan`."""

import os
import sys

# before torch is imported: large tensors in large pages, which take less time to clear
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import typer

from pipelines.cli import data, images, machine, registry, runs, upscaling, weights
from pipelines.cli.errors import describe_missing_extra
from pipelines.config.errors import UserError, is_transient
from pipelines.runtime.progress import Status, write_status
from pipelines.runtime.redaction import redact

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Train, evaluate and publish super-resolution networks.\n\n"
    "The pipeline is DVC's: `dvc repro` runs it, `dvc metrics show` prints its metrics.",
)
for command in (
    upscaling.upscale, data.probe, data.verify, images.lr, images.evaluate,
    weights.info, weights.interpolate, weights.convert, weights.export,
    runs.params, images.compare, images.figures, registry.publish, runs.prune,
    registry.models, registry.promote, registry.rollback, registry.reproduce,
    runs.flow, runs.runs, machine.doctor,
):  # fmt: skip
    app.command()(command)
app.add_typer(data.catalog, name="catalog")
app.add_typer(machine.plan, name="plan")


def main() -> None:
    """Run the command line; an error that the user can fix is printed as one line."""
    try:
        app()
    except Exception as error:
        if (message := _user_message(error)) is None:
            raise
        write_status(Status(what="esrgan", problem=message, transient=is_transient(error)))
        sys.exit(f"esrgan: {message}")


def _user_message(error: Exception) -> str | None:
    """The message of an error that the user can fix; None for a defect."""
    match error:
        case UserError() | OSError(filename=str()):
            return redact(str(error))
        case ModuleNotFoundError():
            command = next((arg for arg in sys.argv[1:] if not arg.startswith("-")), "")
            return describe_missing_extra(error, command)
    return None
