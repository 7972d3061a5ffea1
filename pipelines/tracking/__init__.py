"""MLflow: the only package that imports it. A store that is down never stops a training."""

from pathlib import Path

from pipelines.runtime.status import Passing


class StoreError(RuntimeError):
    """The MLflow store cannot do what it was asked, and says why."""


class StoreDownError(Passing, StoreError):
    """The MLflow store did not answer; it may at another try."""


def serving_path() -> Path:
    """The file that MLflow keeps as the model's code."""
    return Path(__file__).with_name("serving.py")
