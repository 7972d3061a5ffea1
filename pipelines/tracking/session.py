"""The MLflow side of a stage's execution: its run, its record, and its publication."""

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Thread
from typing import Any

from esrgan_core.engine.signals import InterruptedTrainingError
from esrgan_core.files import write_text
from esrgan_core.strict_json import to_json
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import (
    REPORTED_LATER,
    RunRecord,
    record_path,
    run_name,
    training_precision,
)
from pipelines.tracking import open_runs
from pipelines.tracking.store_errors import StoreDownError, StoreError

TERMINATED = (KeyboardInterrupt, SystemExit, InterruptedTrainingError)
"""Exceptions of a stage that was terminated."""


@contextmanager
def recording(stage: str, params: Any) -> Iterator[None]:
    """Report the stage that runs in the context to MLflow; then write its record and publish it.

    The run is opened in the background, however long the store takes. A stage of REPORTED_LATER
    gets a run here only if it fails.
    """
    content = asdict(params)
    digest = hashlib.sha256(to_json(content, sort_keys=True).encode()).hexdigest()
    name, commit, started = run_name(), git_commit(), time.time()
    ended = Event()
    opening = Thread(target=_open_run, args=(stage, ended), name="mlflow opener", daemon=True)
    open_runs.open_run_path(stage).unlink(missing_ok=True)
    later = stage in REPORTED_LATER
    if not later:
        opening.start()
    try:
        yield
    except BaseException as error:
        terminated = isinstance(error, TERMINATED)
        if later and not terminated:
            opening.start()
            opening.join(timeout=open_runs.SECONDS_FOR_STORE)
        ended.set()
        open_runs.close_stage_run(stage, "KILLED" if terminated else "FAILED")
        raise
    ended.set()
    if not later:
        opening.join(timeout=open_runs.SECONDS_FOR_STORE)
    record = RunRecord(
        stage=stage,
        run=name,
        mlflow_run_id=open_runs.open_run_id(stage),
        git_commit=commit,
        data_md5=data_md5(),
        params_sha256=digest,
        params=content,
        precision=training_precision(stage),
        started=started,
        seconds=round(time.time() - started, 3),
    )
    write_text(record_path(stage), to_json(asdict(record), indent=2, sort_keys=True) + "\n")
    open_runs.open_run_path(stage).unlink(missing_ok=True)
    if not later:
        _publish(stage)


def _publish(stage: str) -> None:
    """Publish a stage and the stages before it; print a message if MLflow cannot store them."""
    from pipelines.tracking.publish import publish_all  # noqa: PLC0415  pandas

    try:
        with open_runs.run_creation_lock():
            publish_all((*REPORTED_LATER, stage))
    except StoreDownError as error:
        print(f"{stage}: {error}; run `esrgan publish` later", file=sys.stderr)
    except (StoreError, OSError) as error:
        print(
            f"{stage}: {error}\n{stage}: its results are complete, but MLflow lacks some of them: "
            "run `esrgan publish` when that is fixed",
            file=sys.stderr,
        )


def _open_run(stage: str, ended: Event) -> None:
    """Open a run to report to and publish the earlier stages; retry until the stage has ended."""
    from pipelines.tracking.publish import publish_all  # noqa: PLC0415  pandas

    wait, reported = open_runs.SECONDS_FOR_STORE, False
    while not ended.is_set():
        try:
            with open_runs.run_creation_lock():
                if not open_runs.open_run_id(stage):
                    open_runs.open_run(stage)
                publish_all(one for one in REPORTED_LATER if one != stage)
            return
        except StoreDownError as error:
            if not reported:
                print(f"{stage}: {error}; continuing without it", file=sys.stderr)
            reported = True
            ended.wait(wait)
            wait = min(2 * wait, open_runs.MAX_WAIT)
        except (StoreError, OSError) as error:
            print(f"{stage}: {error}\n{stage}: continuing without MLflow", file=sys.stderr)
            return
