"""Runs a stage in its process: parameters, record, signals and exit codes."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from esrgan_core.engine.signals import InterruptedTrainingError
from esrgan_core.io.decoding import BadImageError
from pipelines.config.errors import UserError, is_transient
from pipelines.config.params import PARAMS, load_params, read_yaml
from pipelines.runtime.parent_watch import SIGNALS, die_with_parent
from pipelines.runtime.progress import Status, write_status
from pipelines.runtime.redaction import redact
from pipelines.sources.errors import HostError
from pipelines.tracking.session import recording
from pipelines.tracking.store_errors import StoreError

Params = TypeVar("Params")
USER_ERRORS = (UserError, BadImageError, FloatingPointError, HostError, StoreError)
SECONDS_TO_SAVE = 7.0
"""How long a process of several may save after the process that started it is gone."""


def run_stage(
    name: str, kind: type[Params], run: Callable[[Params], None], *, distributed: bool = False
) -> None:
    """Run a stage with its sections of params.yaml and write `artifacts/<name>/run.json`.

    A `distributed` stage runs one process per GPU. It takes hours, so the parameters of all other
    stages are checked first.
    """
    with exit_cleanly(name):
        is_rank = "TORCHELASTIC_RUN_ID" in os.environ
        die_with_parent(seconds=SECONDS_TO_SAVE if is_rank else None)
        params = load_params(kind)
        if is_rank:
            run(params)  # the parent process records it
            return
        ranks = nodes = 1
        if distributed:
            # torch is slow to import
            from pipelines.stages.params_check import check_params  # noqa: PLC0415
            from pipelines.training.launcher import requested_processes, run_ranks  # noqa: PLC0415

            # other stages may have to download their files first
            check_params(read_yaml(PARAMS), files=False)
            ranks, nodes = requested_processes(name, getattr(params, name).batch_size)
        with recording(name, params):
            if ranks == nodes == 1:
                run(params)
            else:
                run_ranks(name, ranks, nodes)


@contextmanager
def exit_cleanly(name: str) -> Iterator[None]:
    """Exit with one line for an error that the user can fix, and with 128 + N after signal N."""
    # as an exception, so that everything open is closed
    for number in SIGNALS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except InterruptedTrainingError as interruption:
        print(f"{name}: {interruption}; run the same command to continue", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except Exception as error:
        problem = redact(str(error))
        write_status(Status(what=name, problem=problem, transient=is_transient(error)))
        # an OSError with a number is raised by the system, not by a program
        is_of_system = isinstance(error, OSError) and error.errno is not None
        if not (isinstance(error, USER_ERRORS) or is_of_system or is_transient(error)):
            raise
        sys.exit(f"{name}: {problem}")
    # everything is written, so a signal is too late to be a failure
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
