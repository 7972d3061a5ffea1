"""The record of one stage's execution: enough to rebuild its MLflow run anywhere."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from filelock import FileLock

from esrgan_core.engine.signals import InterruptedTrainingError
from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.lineage import data_md5, git_commit
from pipelines.paths import ARTIFACTS, state_root
from pipelines.tracking import StoreDownError, StoreError
from pipelines.tracking.store import (
    NAME,
    STAGE,
    STATE,
    child_run,
    client,
    find_run,
    parent_run,
    reaching_store,
    run_url,
    running,
)

RUN = "ESRGAN_RUN"
"""Environment variable with the name of the pipeline run."""
REPORTED_LATER = ("download", "validate", "bicubic", "interpolate")
"""Stages whose runs the next stage with a run of its own puts into MLflow, or `esrgan publish`.

Importing MLflow takes longer than their work does on a few pictures.
"""
PUBLISHING = Lock()
"""Held by the thread that makes runs, so that nothing gets two."""
KILLED = (KeyboardInterrupt, SystemExit, InterruptedTrainingError)
"""What ends a stage from outside."""
SECONDS_FOR_A_RUN = 60.0
"""That a stage which needs its run waits for it."""
SECONDS_TO_OPEN = 10.0
"""That a stage waits for the store at its end; then it goes on without it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What `artifacts/<stage>/run.json` says."""

    stage: str
    run: str
    """Name of the pipeline run."""
    mlflow_run_id: str
    """Empty if the store was down; `esrgan publish` then makes a run."""
    git_commit: str
    data_md5: str
    params_sha256: str
    params: Mapping[str, Any]
    started: float
    """Seconds since 1970."""
    seconds: float
    precision: str = ""
    """What a training computed in, where the parameters may say auto; empty for other stages."""

    @property
    def ended(self) -> int:
        """Milliseconds since 1970."""
        return round(1000 * (self.started + self.seconds))


def record_path(stage: str) -> Path:
    """Where a stage's record lies."""
    return ARTIFACTS / stage / "run.json"


def read_record(stage: str) -> Record | None:
    """A stage's record, None where the stage has not run and was not pulled."""
    path = record_path(stage)
    return Record(**from_json(path.read_text(encoding="utf-8"))) if path.is_file() else None


def trained_precision(stage: str) -> str:
    """The precision that a training stage computed in; empty for stages that train nothing."""
    path = ARTIFACTS / stage / "metrics.json"
    if not path.is_file():
        return ""
    return str(from_json(path.read_text(encoding="utf-8")).get("precision", ""))


def run_name() -> str:
    """Name of the pipeline run that is under way, in all tools alike; a new one if none is.

    `ESRGAN_RUN`, else DVC's name for the experiment, else one kept under the state root
    until `register` ends the run.
    """
    if given := os.environ.get(RUN) or os.environ.get("DVC_EXP_NAME"):
        return given
    path = state_root() / "current_run"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_text(path, f"repro-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        return path.read_text(encoding="utf-8")


def end_run_name() -> None:
    """Let the next stage begin a new pipeline run."""
    (state_root() / "current_run").unlink(missing_ok=True)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested parameters as dotted names and texts.

    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    {'a.b': '1', 'c': '[1, 2]'}
    """
    if not isinstance(value, Mapping):
        return {prefix: str(value)}
    inner = (flat(v, f"{prefix}.{k}" if prefix else k) for k, v in value.items())
    return {name: text for part in inner for name, text in part.items()}


@contextmanager
def recording(stage: str, params: Any) -> Iterator[None]:
    """Surround a stage's work with an MLflow run; leave its record, then publish the stage.

    The run is opened in the background, however long the store takes. One of REPORTED_LATER
    gets a run here only if it fails.
    """
    content = asdict(params)
    digest = hashlib.sha256(to_json(content, sort_keys=True).encode()).hexdigest()
    name, commit, started = run_name(), git_commit(), time.time()
    over = Event()
    opening = Thread(target=_open_run, args=(stage, name, over), name="mlflow opener", daemon=True)
    _open_run_path(stage).unlink(missing_ok=True)
    later = stage in REPORTED_LATER
    if not later:
        opening.start()
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KILLED)
        if later and not interrupted:
            opening.start()
            opening.join(timeout=SECONDS_TO_OPEN)
        over.set()
        _within_seconds(_end, open_run_id(stage), "KILLED" if interrupted else "FAILED")
        _open_run_path(stage).unlink(missing_ok=True)
        raise
    over.set()
    if not later:
        opening.join(timeout=SECONDS_TO_OPEN)
    record = Record(
        stage=stage,
        run=name,
        mlflow_run_id=open_run_id(stage),
        git_commit=commit,
        data_md5=data_md5(),
        params_sha256=digest,
        params=content,
        precision=trained_precision(stage),
        started=started,
        seconds=round(time.time() - started, 3),
    )
    write_text(record_path(stage), to_json(asdict(record), indent=2, sort_keys=True) + "\n")
    _open_run_path(stage).unlink(missing_ok=True)
    if later:
        return
    from pipelines.tracking.publish import publish  # noqa: PLC0415  publish reads records

    try:
        with _alone():
            _publish_others_than(stage)
            publish(stage)
    except StoreDownError as error:
        print(f"{stage}: {error}; run `esrgan publish` later", file=sys.stderr)
    except (StoreError, OSError) as error:
        print(
            f"{stage}: {error}\n{stage}: its results are whole, but MLflow lacks some of them: "
            "`esrgan publish` adds them once that is mended",
            file=sys.stderr,
        )


def _publish_others_than(stage: str) -> None:
    """Bring into MLflow what other stages left for later."""
    from pipelines.tracking.publish import publish  # noqa: PLC0415  publish reads records

    for other in REPORTED_LATER:
        if other != stage and record_path(other).is_file():
            publish(other)


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only thread that makes runs.

    Raises:
        StoreDownError: if another one has not come to an end in a minute.
    """
    if not PUBLISHING.acquire(timeout=SECONDS_FOR_A_RUN):
        raise StoreDownError(f"MLflow has not answered in {SECONDS_FOR_A_RUN:.0f} s")
    try:
        yield
    finally:
        PUBLISHING.release()


def _open_run_path(stage: str) -> Path:
    return state_root() / "open_runs" / f"{run_name()}.{stage}"


def open_run_id(stage: str) -> str:
    """Id of the MLflow run that the running stage reports to; "" as long as there is none."""
    path = _open_run_path(stage)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def awaited_run_id(stage: str) -> str:
    """Id of the MLflow run that the running stage reports to, for work that needs one.

    Raises:
        StoreDownError: if the store does not answer within a minute.
        StoreError: if it does not give a run.
    """
    end = time.monotonic() + SECONDS_FOR_A_RUN
    while not (run_id := open_run_id(stage)):
        try:
            with _alone():
                return open_run_id(stage) or _open(stage, run_name())
        except StoreDownError:
            if time.monotonic() > end:
                raise
        time.sleep(1.0)
    return run_id


def _open_run(stage: str, name: str, over: Event) -> None:
    """Open a run to report to, and publish what was left for later; try until `over`."""
    wait, told = SECONDS_TO_OPEN, False
    while not over.is_set():
        try:
            with _alone():
                if not open_run_id(stage):
                    _open(stage, name)
                _publish_others_than(stage)
            return
        except StoreDownError as error:
            if not told:
                print(f"{stage}: {error}; going on without it", file=sys.stderr)
            told = True
            over.wait(wait)
            wait = min(2 * wait, 300.0)
        except (StoreError, OSError) as error:
            print(f"{stage}: {error}\n{stage}: going on without MLflow", file=sys.stderr)
            return


def _open(stage: str, name: str) -> str:
    """Let a stage report to a run from now on; its id."""
    run_id = _opened_run(stage, name)
    write_text(_open_run_path(stage), run_id)
    return run_id


def _opened_run(stage: str, name: str) -> str:
    """Id of a run for a stage: one that a killed attempt left, or a new one."""
    with reaching_store():
        parent = parent_run(name)
        client().update_run(parent, status="RUNNING")
        tags = {NAME: name, STAGE: stage, STATE: "open"}
        if (left := find_run(tags)) is None:
            return child_run(parent, stage, tags)
        client().update_run(left.info.run_id, status="RUNNING")
        return str(left.info.run_id)


def begin_parent(name: str, tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Open the run that stands for a whole pipeline run; its id and its address in the UI.

    None if the store does not answer soon, or there is trouble with it; the stages try again.
    """
    found: list[tuple[str, str]] = []

    def begin() -> None:
        try:
            with reaching_store():
                parent = parent_run(name)
                client().update_run(parent, status="RUNNING")
                for key, text in tags.items():
                    client().set_tag(parent, key, text)
                found.append((parent, run_url(parent)))
        except (StoreError, OSError) as error:
            print(error, file=sys.stderr)

    _within_seconds(begin)
    return found[0] if found else None


def close_runs(name: str, status: str) -> None:
    """Let no MLflow run of a pipeline run say RUNNING, now that nothing of it runs.

    Args:
        name: of the pipeline run.
        status: KILLED or FAILED.
    """
    _within_seconds(_close, name, status)


def _close(name: str, status: str) -> None:
    try:
        with reaching_store():
            for run in running(name):
                client().set_terminated(run, status)
    except (StoreError, OSError) as error:
        print(error, file=sys.stderr)


def _within_seconds(work: Callable[..., None], *words: str) -> None:
    """Do something that may hang, and leave it behind, with a word, if it does."""
    thread = Thread(target=work, args=words, daemon=True)
    thread.start()
    thread.join(timeout=SECONDS_TO_OPEN)
    if thread.is_alive():
        print(f"MLflow has not answered in {SECONDS_TO_OPEN:g} s", file=sys.stderr)


def _end(run_id: str, status: str) -> None:
    if run_id:
        try:
            with reaching_store():
                client().set_terminated(run_id, status)
        except (StoreError, OSError) as error:
            print(error, file=sys.stderr)
