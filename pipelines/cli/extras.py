"""The extras of this project and the packages that they install."""

EXTRAS = {
    "export": {"onnxruntime", "onnxscript"},
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
