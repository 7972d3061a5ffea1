"""Errors of fetching a file."""

from pipelines.config.errors import UserError
from pipelines.runtime.errors import TransientError


class HostError(UserError, OSError):
    """A host does not supply the file; another host may."""


class BusyHostError(TransientError, HostError):
    """No host supplies the file now; a later try may succeed."""


class CutError(Exception):
    """The connection ended early; the next attempt resumes the transfer."""


class SlowError(CutError):
    """The host sends so slowly that the attempt counts as failed."""


class ChangedError(Exception):
    """The partial download cannot be continued; the next attempt starts from the beginning."""


class StoppedError(Exception):
    """The transfer was stopped from another thread."""
