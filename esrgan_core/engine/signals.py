"""Asking a training to stop or to save: signals are noted, and heeded between two steps."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class InterruptedTrainingError(Exception):
    """A signal ended the training, after its state was saved if that could be done.

    Args:
        number: of the signal.
        step: the last one that was taken.
        saved: the last one that a resumed training goes on from.
    """

    def __init__(self, number: int, step: int, saved: int) -> None:
        kept = "saved" if saved == step else f"which was not saved; the last saved step is {saved}"
        super().__init__(f"stopped by {signal.Signals(number).name} after step {step}, {kept}")
        self.exit_code = 128 + number


@dataclass(slots=True)
class SignalRequests:
    """What signals have asked for so far."""

    stop: int = 0
    """Number of the signal that asked to stop, 0 if none did."""
    save: bool = False
    """SIGUSR1 came: save and go on."""


@contextmanager
def handle_signals() -> Iterator[SignalRequests]:
    """Note SIGTERM, SIGINT, SIGHUP and SIGUSR1 while within.

    A second SIGTERM or SIGINT ends the process at once. SIGHUP, which comes when a terminal or
    a parent goes, is never taken for a second wish. Windows has neither SIGHUP nor SIGUSR1.
    """
    requests = SignalRequests()

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if requests.stop and number in (signal.SIGTERM, signal.SIGINT):
            os._exit(128 + number)
        requests.stop = requests.stop or number

    def save(number: int, frame: FrameType | None) -> None:
        del number, frame
        requests.save = True

    handlers = {"SIGTERM": stop, "SIGINT": stop, "SIGHUP": stop, "SIGUSR1": save}
    before = {
        number: signal.signal(number, handler)
        for name, handler in handlers.items()
        if (number := getattr(signal, name, None)) is not None
    }
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
