"""Errors of the MLflow store."""

from pipelines.config.errors import UserError
from pipelines.runtime.errors import TransientError


class StoreError(UserError):
    """The MLflow store refused a request, or a file of the request cannot be read."""


class StoreDownError(TransientError, StoreError):
    """The MLflow store did not respond."""


class NotInStoreError(StoreError):
    """The MLflow store does not have a run or a model."""
