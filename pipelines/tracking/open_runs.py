"""MLflow runs that are open: those of running stages, and the parent of a pipeline run."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread

from esrgan_core.files import write_text
from pipelines.runtime.run_record import run_name
from pipelines.runtime.state import state_root
from pipelines.tracking.client import (
    RUN_TAG,
    STAGE_TAG,
    STATE_TAG,
    client,
    create_child_run,
    find_run,
    get_or_create_parent_run,
    run_url,
    running_run_ids,
    translate_errors,
)
from pipelines.tracking.errors import StoreDownError, StoreError

SECONDS_FOR_RUN = 60.0
"""How long a stage that needs its run waits for it."""
SECONDS_FOR_STORE = 10.0
"""How long a stage that does not need its run waits for the store."""
_creating = Lock()


@contextmanager
def run_creation_lock() -> Iterator[None]:
    """Hold the lock of threads that create runs, so that nothing gets two.

    Raises:
        StoreDownError: if another thread has held it for a minute.
    """
    if not _creating.acquire(timeout=SECONDS_FOR_RUN):
        raise StoreDownError(f"MLflow has not answered in {SECONDS_FOR_RUN:.0f} s")
    try:
        yield
    finally:
        _creating.release()


def open_run_path(stage: str) -> Path:
    """The file with the id of the run that the running stage reports to."""
    return state_root() / "open_runs" / f"{run_name()}.{stage}"


def open_run_id(stage: str) -> str:
    """Id of the run that the running stage reports to; "" if there is none yet."""
    path = open_run_path(stage)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def open_run(stage: str) -> str:
    """Open a run that a stage reports to from now on; return its id.

    It is the run that an interrupted attempt has left open, or a new one.
    """
    name = run_name()
    with translate_errors():
        parent = get_or_create_parent_run(name)
        client().update_run(parent, status="RUNNING")
        tags = {RUN_TAG: name, STAGE_TAG: stage, STATE_TAG: "open"}
        if (left := find_run(tags)) is None:
            run_id = create_child_run(parent, stage, tags)
        else:
            run_id = str(left.info.run_id)
            client().update_run(run_id, status="RUNNING")
    write_text(open_run_path(stage), run_id)
    return run_id


def wait_for_run_id(stage: str) -> str:
    """Id of the run that the running stage reports to, for work that needs one.

    Raises:
        StoreDownError: if the store does not answer within a minute.
        StoreError: if the store refuses to create a run.
    """
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
    """Open the run of a whole pipeline run; return its id and its URL.

    None if the store does not answer soon or fails; the stages try again.
    """
    found: list[tuple[str, str]] = []

    def begin() -> None:
        parent = get_or_create_parent_run(name)
        client().update_run(parent, status="RUNNING")
        for key, text in tags.items():
            client().set_tag(parent, key, text)
        found.append((parent, run_url(parent)))

    _try_for_seconds(begin)
    return found[0] if found else None


def close_runs(name: str, status: str) -> None:
    """End every open MLflow run of a pipeline run, of which nothing runs any more.

    Args:
        name: name of the pipeline run.
        status: KILLED or FAILED.
    """

    def close() -> None:
        for run in running_run_ids(name):
            client().set_terminated(run, status)

    _try_for_seconds(close)


def close_stage_run(stage: str, status: str) -> None:
    """End the run that a stage reports to, if there is one."""

    def close(run_id: str) -> None:
        client().set_terminated(run_id, status)

    if run_id := open_run_id(stage):
        _try_for_seconds(lambda: close(run_id))
    open_run_path(stage).unlink(missing_ok=True)


def _try_for_seconds(work: Callable[[], None]) -> None:
    """Do work that may fail or hang; print a message if it does, and go on."""

    def attempt() -> None:
        try:
            with translate_errors():
                work()
        except (StoreError, OSError) as error:
            print(error, file=sys.stderr)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=SECONDS_FOR_STORE)
    if thread.is_alive():
        print(f"MLflow has not answered in {SECONDS_FOR_STORE:g} s", file=sys.stderr)
