"""The process shell of a stage: plain errors instead of tracebacks, and its record."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from esrgan_core.engine.signals import InterruptedTrainingError
from pipelines.guardian import die_with_parent
from pipelines.params import ParamsError, load_params
from pipelines.tracking.record import recording
from pipelines.tracking.store import StoreDownError

Stage = TypeVar("Stage")


def launch(name: str, stage: type[Stage], run: Callable[[Stage], None]) -> None:
    """Run a stage with its part of params.yaml; leave `artifacts/<name>/run.json` behind.

    A mistake of the user's ends the process with its message alone; anything else with a
    traceback.
    """
    # so that an end from outside passes through what must be closed, as an exception
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    die_with_parent()
    try:
        params = load_params(stage)
        with recording(name, params):
            run(params)
    except InterruptedTrainingError as interruption:
        print(f"{name}: {interruption}; the same command goes on from there", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except (ParamsError, ValueError, OSError, FloatingPointError, StoreDownError) as error:
        sys.exit(f"{name}: {error}")


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)
