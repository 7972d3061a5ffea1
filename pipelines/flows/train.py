"""The pipeline as a Prefect flow: every DVC stage is a task, every run has its own workspace.

`prefect.yaml` deploys it as `esrgan/full` and `esrgan/sample`; `esrgan flow` runs it in the
foreground. A run that was cancelled or killed continues from its last results.
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

from prefect import State, flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from esrgan_core.files import write_text
from pipelines.config.errors import TransientError, UserError
from pipelines.flows.artifacts import ProgressArtifact, show_results
from pipelines.runs.dvc_graph import Node, stage_graph
from pipelines.runs.experiments import find_experiment, push, save
from pipelines.runs.repository import default_remote, find_repository
from pipelines.runs.supervisor import HELD, follow
from pipelines.runs.workspace import COMMAND_LOCK, DEFAULT_PROFILE, Request, prepare, workspace_lock
from pipelines.runtime.parent_watch import die_with_parent
from pipelines.runtime.progress import STATUS, Status, read_status
from pipelines.runtime.shell import CommandError
from pipelines.tracking.open_runs import close_runs, start_parent_run

RETRIES = 4


class StageError(Exception):
    """A command of the pipeline failed."""


class TransientStageError(TransientError, StageError):
    """A command failed for a reason that may pass, such as a host that does not answer."""


def enter_workspace() -> dict[str, str]:
    """Pull step of the deployments: the run's workspace, which becomes the current folder."""
    # the flow reports user errors: a run whose pull step fails is Crashed instead of Failed
    with suppress(UserError):
        if runtime.flow_run.id:  # there is none if the worker looks for hooks of a finished run
            return {"directory": str(_prepare())}
    return {}


def _prepare() -> Path:
    parameters = runtime.flow_run.parameters
    names = ("profile", "overrides", "revision")
    given = {name: value for name in names if (value := parameters.get(name))}
    return prepare(find_repository(), Request(name=_run_name(), **given))


def _run_name() -> str:
    return str(runtime.flow_run.parameters.get("name") or runtime.flow_run.name)


@flow(name="esrgan", flow_run_name=_run_name, persist_result=False)
def esrgan(
    profile: str = DEFAULT_PROFILE,
    overrides: dict[str, Any] | None = None,
    revision: str = "",
    name: str = "",
    update_data: bool = False,
) -> None:
    """Train, evaluate and register a super-resolution network.

    Args:
        profile: `sample` for params.yaml unchanged, or a file of profiles/, such as `full`.
        overrides: values of params.yaml, such as {"pretrain.steps": 500000}.
        revision: commit, branch or tag; by default the commit that the repository has checked out.
        name: name of the run in Prefect, MLflow and DVC; by default Prefect's. The name of an
            earlier run with the same recipe continues that run.
        update_data: check for a newer version of an imported data set first.
    """
    repository, log = find_repository(), get_run_logger()
    if Path.cwd().parent != repository.runs:
        os.chdir(_prepare())
    folder = Path.cwd()
    os.environ.update(repository.environment(folder.name))
    if runtime.deployment.id:
        # a worker that was killed cannot end its runs
        die_with_parent(signal.SIGTERM)
    if changed := repository.changed_files():
        log.warning("the run does not contain uncommitted changes of %s", ", ".join(changed))
    log.info("workspace %s", folder)
    with suppress(CommandError):  # the repository must answer only at the end of the run
        if not revision and (newer := repository.newer_commit(folder)):
            log.warning("the run continues with its own commit; choose another name for %s", newer)
        find_experiment(folder)
    with workspace_lock(folder), _mlflow_parent(folder.name) as mlflow_url:
        states: dict[str, State[None]] = {}
        for node in stage_graph(folder):
            states[node.address] = run_stage.with_options(name=node.address)(
                node,
                update=update_data,
                wait_for=[states[address] for address in node.upstream],
                return_state=True,
            )
            states[node.address].result()
        save_run()  # before publishing, which needs MLflow
        publish()
        show_results(folder, mlflow_url)


@contextmanager
def _mlflow_parent(run: str) -> Iterator[str]:
    """Yield the URL of the run's parent in MLflow, or ""; if the flow fails, end its open runs."""
    tags = {"prefect.flow_run_id": str(runtime.flow_run.id)}
    if url := runtime.flow_run.ui_url:
        tags["prefect.flow_run_url"] = url
    run_id, url = start_parent_run(run, tags) or ("", "")
    if url:
        note = f"Run id {run_id}. If the store is a local database, `make ui` serves it."
        create_link_artifact(url, f"MLflow run {run}", key="mlflow", description=note)
    try:
        yield url
    except BaseException as error:
        close_runs(run, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def is_retried(task: Any, run: Any, state: State[Any]) -> bool:
    """Whether Prefect retries a failed task: only after a transient error."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


retried_task = task(
    cache_policy=NO_CACHE,  # DVC has the cache
    persist_result=False,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(15),  # 15, 30, 60 and 120
    retry_condition_fn=is_retried,
)


@retried_task
def run_stage(node: Node, *, update: bool) -> None:
    """Run a stage, or bring its results or data from the cache or a remote."""
    if node.kind == "stage":
        _execute(node.address, ["dvc", "repro", "--single-item", node.address])
        return
    if node.kind == "remote data" and update:
        _execute(node.address, ["dvc", "update", node.address], is_remote=True)
    try:
        is_remote = bool(default_remote(Path.cwd()))
        _execute(node.address, ["dvc", "pull", node.address], is_remote=is_remote)
    except StageError as error:
        tries = runtime.task_run.run_count or 0
        has_retries_left = isinstance(error, TransientStageError) and tries <= RETRIES
        if node.kind != "remote data" or has_retries_left:
            raise
        _import_again(node.address)


def _import_again(address: str) -> None:
    """Download imported data from its source, which `dvc pull` does not do."""
    path = Path(address)
    committed = path.read_text(encoding="utf-8")
    get_run_logger().info("%s: not in the cache or the remote; importing it again", address)
    _execute(address, ["dvc", "update", address], is_remote=True)
    if path.read_text(encoding="utf-8") != committed:
        write_text(path, committed)
        raise StageError(
            f"{address}: the data has changed at its source; to use it, run with update_data"
        )


@retried_task
def publish() -> None:
    """Add to MLflow the results that it lacks."""
    _execute("publish", ["pipelines.cli", "publish"])


@retried_task
def save_run() -> None:
    """Save the run as a DVC experiment, and push it to the repository and the DVC remote."""
    folder = Path.cwd()
    try:
        save(folder, partial(_execute, "save"))
        push(folder, partial(_execute, "push", is_remote=True))
    except CommandError as error:
        raise TransientStageError(str(error)) from error
    get_run_logger().info("saved as experiment %s; `dvc exp show` lists it", folder.name)


def _execute(name: str, command: list[str], *, is_remote: bool = False) -> None:
    """Run a Python module with arguments, log its output and show its progress.

    If it uses another host (`is_remote`), a failure without a reported reason is transient.
    """
    with TemporaryDirectory() as temporary:
        status_path = Path(temporary) / "status.json"
        progress = ProgressArtifact(name, status_path)
        code = follow(
            [sys.executable, "-m", *command],
            {**os.environ, STATUS: str(status_path), HELD: str(COMMAND_LOCK.absolute())},
            on_line=get_run_logger().info,
            on_tick=progress.update,
        )
        progress.update()
        status = read_status(status_path) or Status()
    if code == 0:
        return
    if code - 128 in set(signal.Signals):
        raise StageError(f"{name} was ended by {signal.Signals(code - 128).name}")
    problem = status.problem or f"failed with exit code {code}; see the end of the log"
    is_transient = status.transient or (is_remote and not status.problem)
    raise (TransientStageError if is_transient else StageError)(f"{name}: {problem}")


if __name__ == "__main__":
    esrgan(**json.loads(sys.argv[1]))
