"""MLflow: the only package that imports it. A store that is down never stops a training."""

from pathlib import Path

from pipelines.status import Passing


class StoreDownError(Passing, RuntimeError):
    """The MLflow store did not answer."""


def serving_path() -> Path:
    """The file that MLflow keeps as the model's code."""
    return Path(__file__).with_name("serving.py")
