"""Errors of fetching a file."""

from pipelines.config.errors import TransientError, UserError


class HostError(UserError, OSError):
    """A host does not supply the file; another host may."""


class BusyHostError(TransientError, HostError):
    """No host supplies the file now; a later try may succeed."""


class CutError(Exception):
    """The connection ended early; the next attempt resumes the transfer."""


class UnreachableError(CutError):
    """The host does not answer."""


class BusyError(CutError):
    """The host is busy, for so many seconds if it says so."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class SlowError(CutError):
    """The host sends so slowly that the attempt counts as failed."""


class ChangedError(Exception):
    """The partial download cannot be continued; the next attempt starts from the beginning."""


class StoppedError(Exception):
    """The transfer was stopped from another thread."""
