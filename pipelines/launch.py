"""The process shell of a stage: plain errors instead of tracebacks, and its record."""

import sys
from collections.abc import Callable
from typing import TypeVar

from pipelines.params import ParamsError, load_params
from pipelines.tracking.record import recording
from pipelines.tracking.store import StoreDownError

Stage = TypeVar("Stage")


def launch(name: str, stage: type[Stage], run: Callable[[Stage], None]) -> None:
    """Run a stage with its part of params.yaml; leave `artifacts/<name>/run.json` behind.

    A mistake of the user's ends the process with its message alone; anything else with a
    traceback.
    """
    try:
        params = load_params(stage)
        with recording(name, params):
            run(params)
    except (ParamsError, ValueError, OSError, FloatingPointError, StoreDownError) as error:
        sys.exit(f"{name}: {error}")
