"""The process shell of a stage: plain errors instead of tracebacks, and its record."""

import os
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


def launch(
    name: str, stage: type[Stage], run: Callable[[Stage], None], *, on_every_device: bool = False
) -> None:
    """Run a stage with its part of params.yaml; leave `artifacts/<name>/run.json` behind.

    A mistake of the user's ends the process with its message alone; anything else with a
    traceback.

    Args:
        name: of the stage.
        stage: dataclass of the sections that it reads.
        run: its work.
        on_every_device: whether to run in a process per device, where there are several.
    """
    # so that an end from outside passes through what must be closed, as an exception
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    die_with_parent()
    try:
        params = load_params(stage)
        if os.environ.get("TORCHELASTIC_RUN_ID"):
            run(params)  # one of several processes; the one that started them records
            return
        with recording(name, params):
            if not (on_every_device and _run_in_ranks(name)):
                run(params)
    except InterruptedTrainingError as interruption:
        print(f"{name}: {interruption}; the same command goes on from there", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except (ParamsError, ValueError, OSError, FloatingPointError, StoreDownError) as error:
        sys.exit(f"{name}: {error}")


def _run_in_ranks(name: str) -> bool:
    """Run a stage in a process per device; False where there is one device."""
    from pipelines.ranks import ranks_wanted, run_ranks  # noqa: PLC0415  torch takes seconds

    if (count := ranks_wanted()) == 1:
        return False
    run_ranks(f"pipelines.stages.{name}", count)
    return True


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)
