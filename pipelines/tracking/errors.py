"""Errors of the MLflow store."""

from pipelines.runtime.status import TransientError


class StoreError(RuntimeError):
    """The MLflow store cannot do what it was asked, and says why."""


class StoreDownError(TransientError, StoreError):
    """The MLflow store did not answer; it may at another try."""
