"""The pipeline as a Prefect flow: every DVC stage a task, every run in a clone of its own.

`prefect.yaml` deploys it as `esrgan/full` and `esrgan/sample`; `esrgan flow` runs it here and now.
What a run did before it was cancelled, killed or cut off is not done again.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from prefect import State, flow, get_client, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from esrgan_core.files import write_text
from pipelines.flows.artifacts import ProgressArtifact, show_mlflow, show_results
from pipelines.runs.dvc_graph import Node, stage_graph
from pipelines.runs.experiments import check_experiment_name, has_remote, push, save
from pipelines.runs.supervisor import HELD, follow
from pipelines.runs.workspace import (
    RECIPE_OF_PARAMS,
    Request,
    WorkspaceError,
    changed_files,
    command_lock_of,
    environment,
    newer_commit,
    prepare,
    repository,
    workspace_lock,
)
from pipelines.runtime.parent_watch import die_with_parent
from pipelines.runtime.shell import CommandError
from pipelines.runtime.status import STATUS, Status, TransientError, read_status
from pipelines.tracking.open_runs import close_runs, start_parent_run

RETRIES = 4
FIRST_WAIT = 15
"""Seconds before the first retry; twice as long each time."""
PREFECT_VARIABLES = ("PREFECT__FLOW_ENTRYPOINT", "PREFECT__FLOW_RUN_ID")


class StageError(Exception):
    """A command of the pipeline has failed; its own words say why."""


class TransientStageError(TransientError, StageError):
    """It has failed for something that may pass, as a host that does not answer."""


def own_workspace() -> dict[str, str]:
    """Pull step of the deployments: the run's clone, where the flow then works."""
    if not runtime.flow_run.id:
        return {}  # the worker looks for hooks of a run that is over
    # a mistake is the flow's to tell: a run whose pull step fails counts as crashed
    with suppress(WorkspaceError, CommandError):
        return {"directory": str(_prepared(**runtime.flow_run.parameters))}
    return {}


def _prepared(
    profile: str = "",
    overrides: dict[str, Any] | None = None,
    revision: str = "",
    name: str = "",
    **others: object,
) -> Path:
    del others
    request = Request(
        name=name or runtime.flow_run.name,
        profile=profile or RECIPE_OF_PARAMS,
        overrides=overrides or {},
        revision=revision,
    )
    return prepare(repository(), request)


@flow(name="esrgan", persist_result=False)
def esrgan(
    profile: str = RECIPE_OF_PARAMS,
    overrides: dict[str, Any] | None = None,
    revision: str = "",
    name: str = "",
    update_data: bool = False,
) -> None:
    """Train, evaluate and register a super-resolution network.

    Args:
        profile: `sample` for params.yaml as it is, or a file of profiles/, as `full`.
        overrides: values of params.yaml, as {"pretrain.steps": 500000}.
        revision: commit, branch or tag; else what the repository has checked out.
        name: of the run in Prefect, MLflow and DVC alike, else Prefect's. The name of an earlier
            run with the same recipe goes on with it.
        update_data: look for a newer version of an imported data set first.
    """
    source, log = repository(), get_run_logger()
    if Path.cwd().parent != source.runs:
        os.chdir(_prepared(profile, overrides, revision, name))
    folder = Path.cwd()
    os.environ.update(environment(source, folder.name))
    if runtime.deployment.id:
        # a worker that is gone cannot end its runs any more
        die_with_parent(signal.SIGTERM)
    if changed := changed_files(source):
        log.warning(
            "%s differ from the commit in %s; runs have what is committed",
            ", ".join(changed),
            source.address,
        )
    log.info("workspace %s", folder)
    with suppress(CommandError):  # a repository that does not answer now may do so in the end
        if not revision and (newer := newer_commit(source, folder)):
            log.warning("%s goes on with its own commit; %s takes another name", folder.name, newer)
        check_experiment_name(folder)
    with workspace_lock(folder), _known_to_mlflow(folder.name) as mlflow_url:
        _rename(folder.name)
        states: dict[str, State[None]] = {}
        for node in stage_graph(folder):
            states[node.address] = run_stage.with_options(name=node.address)(
                node,
                update=update_data,
                wait_for=[states[address] for address in node.upstream],
                return_state=True,
            )
            states[node.address].result()
        keep()  # first: it needs no MLflow
        publish()
        show_results(folder, mlflow_url)


@contextmanager
def _known_to_mlflow(name: str) -> Iterator[str]:
    """Open the run's parent in MLflow, and end what is open of it if the flow fails.

    Yields the address that it is shown at; "" if the store does not answer.
    """
    tags = {"prefect.flow_run_id": str(runtime.flow_run.id)}
    if url := runtime.flow_run.ui_url:
        tags["prefect.flow_run_url"] = url
    run_id, url = start_parent_run(name, tags) or ("", "")
    if url:
        show_mlflow(name, run_id, url)
    try:
        yield url
    except Exception:
        close_runs(name, "FAILED")
        raise
    except BaseException:
        close_runs(name, "KILLED")
        raise


def _rename(name: str) -> None:
    if name != runtime.flow_run.name:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(str(runtime.flow_run.id)), name=name)


def _may_pass(task: Any, run: Any, state: State[Any]) -> bool:
    """Whether a task that failed is tried again: not for what another try would meet again."""
    del task, run
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, TransientError)


patient = task(
    cache_policy=NO_CACHE,  # DVC is the only cache
    persist_result=False,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(FIRST_WAIT),
    retry_condition_fn=_may_pass,
)


@patient
def run_stage(node: Node, *, update: bool) -> None:
    """Do what DVC does for one stage, which may be nothing."""
    if node.kind == "stage":
        _run(node.address, ["dvc", "repro", "--single-item", node.address])
        return
    if node.kind == "remote data" and update:
        _run(node.address, ["dvc", "update", node.address], passing=True)
    try:
        _run(node.address, ["dvc", "pull", node.address], passing=has_remote(Path.cwd()))
    except StageError as error:
        tried = runtime.task_run.run_count or 0
        waits = isinstance(error, TransientStageError) and tried <= RETRIES
        if node.kind != "remote data" or waits:
            raise
        _import_again(node.address)


def _import_again(address: str) -> None:
    """Get imported data from where it was imported, which `dvc pull` does not."""
    path = Path(address)
    committed = path.read_text(encoding="utf-8")
    get_run_logger().info("%s: neither cache nor remote has it; it is imported again", address)
    _run(address, ["dvc", "update", address], passing=True)
    if path.read_text(encoding="utf-8") != committed:
        write_text(path, committed)
        raise StageError(
            f"{address}: it has changed where it was imported from; update_data takes it as it is"
        )


@patient
def publish() -> None:
    """Bring into MLflow what it lacks."""
    _run("publish", ["esrgan", "publish"])


@patient
def keep() -> None:
    """Save the run as a DVC experiment, and push it to the repository and the DVC remote."""
    folder = Path.cwd()
    try:
        save(folder, partial(_run, "keep"))
        push(folder, partial(_run, "keep", passing=True))
    except CommandError as error:
        raise TransientStageError(str(error)) from error
    get_run_logger().info("experiment %s: `dvc exp show` and `dvc exp apply` know it", folder.name)


def _run(name: str, command: list[str], *, passing: bool = False) -> None:
    """Run a command of the environment that this runs in; its lines go to the log.

    Args:
        name: of what is done.
        command: `dvc` or `esrgan` and its arguments.
        passing: whether a failure that says nothing of itself may pass.

    Raises:
        TransientStageError: if it failed for something that may pass.
        StageError: if it failed for anything else.
    """
    modules = {"dvc": "dvc", "esrgan": "pipelines.cli"}
    log = get_run_logger()
    with TemporaryDirectory() as place:
        status = Path(place) / "status.json"
        progress = ProgressArtifact(name, status)
        env = {key: text for key, text in os.environ.items() if key not in PREFECT_VARIABLES}
        code = follow(
            [sys.executable, "-m", modules[command[0]], *command[1:]],
            Path.cwd(),
            env | {STATUS: str(status), HELD: str(command_lock_of(Path.cwd()))},
            on_line=log.info,
            on_look=progress.look,
        )
        progress.look()
        told = read_status(status) or Status()
    if code == 0:
        return
    if code - 128 in set(signal.Signals):
        raise StageError(f"{name} was ended by {signal.Signals(code - 128).name}")
    problem = told.problem or f"it failed with exit code {code}; its last lines in the log say why"
    kind = TransientStageError if told.transient or (passing and not told.problem) else StageError
    raise kind(f"{name}: {problem}")


if __name__ == "__main__":
    esrgan(**json.loads(sys.argv[1]))
