"""Why a file from elsewhere cannot be had, or not now."""

from pipelines.runtime.errors import TransientError


class HostError(OSError):
    """This host does not give the file; another may."""


class BusyHostError(TransientError, HostError):
    """No host gives the file now, but one that may have it was troubled."""


class TransientSourceError(Exception):
    """Another try may do better."""

    def __init__(self, problem: str, wait: float) -> None:
        """Say what happened, and the seconds that the host asks to wait."""
        super().__init__(problem)
        self.wait = wait


class SlowError(Exception):
    """The host sends so little that another one should be asked."""


class WrongRangeError(Exception):
    """The host answers a Range request with something else; it must not be asked for parts."""


class ChangedError(Exception):
    """The file is another one than that of which a part is here."""


class StoppedError(OSError):
    """Someone wished the fetching to end."""
