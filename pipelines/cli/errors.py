"""Errors of commands: failures of single files, and modules of extras that are not installed."""

from collections.abc import Iterable

import typer

from pipelines.runtime.redaction import redact

EXTRAS = {
    "export": {"onnx_ir", "onnxruntime", "onnxscript"},
    "ncnn": {"ncnn"},
    "pipeline": {
        "boto3", "botocore", "distributed", "dvc", "great_expectations", "imagehash", "jinja2",
        "joblib", "matplotlib", "mlflow", "networkx", "packaging", "prefect", "pydantic",
        "requests", "ruamel", "skimage", "sklearn",
    },
}  # fmt: skip
"""Top-level modules that the code imports, by the extra that installs them."""


def describe_missing_extra(error: ModuleNotFoundError, command: str) -> str | None:
    """The extra that `command` needs; None if no extra installs the module: that is a defect.

    >>> describe_missing_extra(ModuleNotFoundError(name="onnxruntime.tools"), "export")
    "export needs the extra 'export': pip install 'esrgan[export]'"
    """
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            line = f"{command} needs the extra {extra!r}: pip install 'esrgan[{extra}]'"
            return "; ".join([line, *getattr(error, "__notes__", [])])
    return None


def exit_if_any(failures: Iterable[str]) -> None:
    """Print failures and exit with code 1; return if there are none."""
    if lines := list(failures):
        typer.echo("\n  ".join([f"{len(lines)} failed:", *map(redact, lines)]), err=True)
        raise typer.Exit(code=1)
