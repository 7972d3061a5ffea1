"""The project's extras: which optional packages each of them installs."""

EXTRAS: dict[str, frozenset[str]] = {
    "export": frozenset({"onnxruntime", "onnxscript"}),
    "pipeline": frozenset(
        {
            "boto3",
            "botocore",
            "distributed",
            "dvc",
            "great_expectations",
            "imagehash",
            "jinja2",
            "joblib",
            "matplotlib",
            "mlflow",
            "networkx",
            "packaging",
            "prefect",
            "pydantic",
            "requests",
            "ruamel",
            "skimage",
            "sklearn",
            "urllib3",
        }
    ),
}
"""Top-level modules that the code imports, by the extra that installs them."""


def describe_missing_extra(error: ModuleNotFoundError, command: str) -> str | None:
    """A line that names the extra that `command` needs, and how to install it.

    Args:
        error: its notes follow the line.
        command: such as `models`.

    Returns:
        None if no extra installs the module: the error is a defect then.

    >>> describe_missing_extra(ModuleNotFoundError(name="onnxruntime.tools"), "export")
    "export needs the extra 'export': pip install 'esrgan[export]'"
    """
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            line = f"{command} needs the extra {extra!r}: pip install 'esrgan[{extra}]'"
            return "; ".join([line, *getattr(error, "__notes__", [])])
    return None
