"""Open MLflow runs: those of running stages, and the parent of a pipeline run."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from esrgan_core.files import write_text
from pipelines.runtime.run_record import run_name
from pipelines.runtime.state import state_root
from pipelines.tracking import client as store
from pipelines.tracking.store_errors import StoreDownError, StoreError, translate_errors

SECONDS_FOR_RUN = 60.0
"""Time to wait for a run that a stage needs."""
SECONDS_FOR_STORE = 10.0
"""Time to wait for the store if a stage does not need its run."""
MAX_WAIT = 300.0
"""Seconds between attempts to reach a store that is down."""
_creation = Lock()
Result = TypeVar("Result")


@contextmanager
def run_creation_lock() -> Iterator[None]:
    """Hold the lock of threads that create runs, so that no stage gets two."""
    if not _creation.acquire(timeout=SECONDS_FOR_RUN):
        raise StoreDownError(f"MLflow did not respond within {SECONDS_FOR_RUN:.0f} s")
    try:
        yield
    finally:
        _creation.release()


def open_run_path(stage: str) -> Path:
    """The file with the id of the run that the running stage reports to."""
    return state_root() / "open_runs" / f"{run_name()}.{stage}"


def open_run_id(stage: str) -> str:
    """Id of the run that the running stage reports to; "" if there is none yet."""
    path = open_run_path(stage)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def open_run(stage: str) -> str:
    """Open the run of an interrupted attempt, or a new one, for a stage; return its id."""
    name = run_name()
    with translate_errors():
        parent = store.get_or_create_parent_run(name)
        store.client().update_run(parent, status="RUNNING")
        tags = {store.RUN_TAG: name, store.STAGE_TAG: stage, store.STATE_TAG: "open"}
        run_id = store.get_or_create_run(stage, tags, parent)
        store.client().update_run(run_id, status="RUNNING")
    write_text(open_run_path(stage), run_id)
    return run_id


def wait_for_run_id(stage: str) -> str:
    """Id of the run that the running stage reports to; a StoreDownError after a minute."""
    end = time.monotonic() + SECONDS_FOR_RUN
    while not (run_id := open_run_id(stage)):
        try:
            with run_creation_lock():
                return open_run_id(stage) or open_run(stage)
        except StoreDownError:
            if time.monotonic() > end:
                raise
        time.sleep(1.0)
    return run_id


def start_parent_run(name: str, tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Open the run of a whole pipeline run; return its id and URL, or None if that fails."""

    def start() -> tuple[str, str]:
        run_id = store.get_or_create_parent_run(name)
        store.client().update_run(run_id, status="RUNNING")
        store.set_tags(run_id, tags)
        return run_id, store.run_url(run_id)

    return _try_for_seconds(start)


def close_runs(name: str, status: str) -> None:
    """Set the status (KILLED or FAILED) of all open runs of an ended pipeline run."""

    def close() -> None:
        for run_id in store.running_run_ids(name):
            store.client().set_terminated(run_id, status)

    _try_for_seconds(close)


def close_stage_run(stage: str, status: str) -> None:
    """Set the status of the run that a stage reports to, if it exists."""
    if run_id := open_run_id(stage):
        _try_for_seconds(lambda: store.client().set_terminated(run_id, status))
    open_run_path(stage).unlink(missing_ok=True)


def _try_for_seconds(work: Callable[[], Result]) -> Result | None:
    """Result of work that may fail or hang; then print a message and return None."""
    results: list[Result] = []

    def attempt() -> None:
        try:
            with translate_errors():
                results.append(work())
        except StoreError as error:
            print(error, file=sys.stderr)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=SECONDS_FOR_STORE)
    if thread.is_alive():
        print(f"MLflow did not respond within {SECONDS_FOR_STORE:g} s", file=sys.stderr)
    return results[0] if results else None
