"""Errors of the MLflow store."""

from pipelines.config.errors import UserError
from pipelines.runtime.errors import TransientError


class StoreError(UserError):
    """The MLflow store refused a request; the message has its reason."""


class StoreDownError(TransientError, StoreError):
    """The MLflow store did not respond."""
