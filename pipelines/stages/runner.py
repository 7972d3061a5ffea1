"""The process shell of a stage: plain errors instead of tracebacks, and its record."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from esrgan_core.engine.signals import InterruptedTrainingError
from pipelines.config.params import PARAMS, load_params, read_yaml
from pipelines.runtime.errors import is_transient
from pipelines.runtime.parent_watch import die_with_parent
from pipelines.runtime.redaction import redact
from pipelines.runtime.status import Status, write_status
from pipelines.tracking.errors import StoreError
from pipelines.tracking.session import recording

Stage = TypeVar("Stage")
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SECONDS_FOR_RANKS = 7.0
"""That one of several processes has to save and end when the one that started them is gone."""


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
        on_every_device: whether to run in a process per device, where there are several. Such a
            stage takes hours, so that it checks what the stages after it read before it begins.
    """
    with ending_plainly(name):
        one_of_several = "TORCHELASTIC_RUN_ID" in os.environ
        die_with_parent(seconds=SECONDS_FOR_RANKS if one_of_several else None)
        params = load_params(stage)
        if one_of_several:
            run(params)  # the process that started them records
            return
        if on_every_device:
            from pipelines.stages.params_check import check_params  # noqa: PLC0415  torch

            # but the files, which those stages may have to download
            check_params(read_yaml(PARAMS), files=False)
        # before anything is recorded: what cannot be shared is a mistake in the settings
        count, nodes = _ranks_for(name, params) if on_every_device else (1, 1)
        with recording(name, params):
            if count == nodes == 1:
                run(params)
            else:
                _run_in_ranks(name, _module_of(run), count, nodes)


@contextmanager
def ending_plainly(name: str) -> Iterator[None]:
    """Turn an end from outside or a mistake of the user's into its exit code and plain words.

    Args:
        name: of what runs, which the words begin with.

    Raises:
        SystemExit: where it ended so.
    """
    # so that an end from outside passes through what must be closed, as an exception
    for number in ENDINGS:
        signal.signal(number, _leave)
    try:
        yield
    except InterruptedTrainingError as interruption:
        print(f"{name}: {interruption}; the same command goes on from there", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except (ValueError, OSError, FloatingPointError, StoreError) as error:
        problem = redact(str(error))
        write_status(Status(what=name, problem=problem, transient=is_transient(error)))
        sys.exit(f"{name}: {problem}")
    # all is done and written: an end that was wished for now is no failure
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _module_of(run: Callable[..., None]) -> str:
    """The module that a stage is started as by `python -m`."""
    spec = getattr(sys.modules[run.__module__], "__spec__", None)
    return str(spec.name) if spec else run.__module__


def _ranks_for(name: str, params: object) -> tuple[int, int]:
    """(processes of each machine, machines) that a training, whose section has its name, is for."""
    from pipelines.training.distributed import check_equal_slices, nodes_wanted, ranks_wanted  # noqa: PLC0415

    count, nodes = ranks_wanted(), nodes_wanted()
    check_equal_slices(name, getattr(params, name).batch_size, count, nodes)
    return count, nodes


def _run_in_ranks(name: str, module: str, count: int, nodes: int) -> None:
    from pipelines.training.distributed import run_ranks  # noqa: PLC0415  torch

    run_ranks(name, module, count, nodes)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)
