"""Signals that ask a training to stop or to save; the training reads them between steps."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class InterruptedTrainingError(Exception):
    """A signal ended the training after `step`; it can resume from step `saved`."""

    def __init__(self, number: int, step: int, saved: int) -> None:
        kept = "saved" if saved == step else f"which was not saved; the last saved step is {saved}"
        super().__init__(f"stopped by {signal.Signals(number).name} after step {step}, {kept}")
        self.exit_code = 128 + number


@dataclass(slots=True)
class SignalRequests:
    """The signals received so far."""

    stop: int = 0
    """Number of the signal that asked to stop, or 0."""
    save: bool = False
    """SIGUSR1: save and continue."""


@contextmanager
def handle_signals() -> Iterator[SignalRequests]:
    """Record SIGTERM, SIGINT, SIGHUP and SIGUSR1 in the context.

    A second SIGTERM or SIGINT ends the process at once; SIGHUP does not, since it also comes when
    a terminal or a parent ends. Windows has neither SIGHUP nor SIGUSR1.
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
