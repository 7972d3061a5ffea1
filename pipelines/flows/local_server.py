"""Prefect on this machine: a server, the work pool, the deployments and a worker.

`make prefect` runs `python -m pipelines.flows.local_server start`, which may be repeated; `make
stop` runs `stop`, which ends only the processes that `start` started.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import typer
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from pipelines.config.errors import UserError
from pipelines.config.params import read_yaml
from pipelines.flows.processes import (
    LOCALHOST,
    SIGNALS,
    LocalPrefect,
    bypass_proxies,
    end_processes,
    private_server,
)
from pipelines.runs.repository import Repository, find_repository
from pipelines.runtime.redaction import redact

ROOT = Path(__file__).parents[2]
POOL = "gpu"
MAX_RUNS = 4
"""Concurrent runs of the pool; only one of them trains on each device."""
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def local_prefect(repository: Repository) -> LocalPrefect:
    """The server that `PREFECT_API_URL` or pyproject.toml names, and its folder."""
    folder = repository.state / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    return LocalPrefect(api=str(PREFECT_API_URL.value()).rstrip("/"), folder=folder)


@app.command()
def start() -> None:
    """Start what is not running: the server, work pool, deployments, automation and a worker."""
    repository = find_repository()
    local = local_prefect(repository)
    local.check_api()
    bypass_proxies()
    os.environ |= {
        "ESRGAN_STATE": str(repository.state),
        "PREFECT_HOME": str(local.folder),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
    }
    if not local.is_healthy():
        if urlsplit(local.api).hostname not in LOCALHOST:
            raise UserError(f"no Prefect server answers at {local.api} (PREFECT_API_URL)")
        local.start_server()
    _create_work_pool()
    _create_automation()
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`prefect deploy --all` failed:\n{done.stdout}{done.stderr}")
    if local.find("worker") is None:
        name = f"{socket.gethostname()}-{repository.state.parent.name}"
        local.start("worker", "--pool", POOL, "--name", name)
    typer.echo(
        f"Prefect's UI:  {local.api.removesuffix('/api')}\n"
        "start a run:   prefect deployment run esrgan/sample --watch\n"
        f"logs:          {local.folder}/*.log\n"
        "stop:          make stop"
    )


def _create_work_pool() -> None:
    with get_client(sync_client=True) as client:
        try:
            pool = client.read_work_pool(POOL)
        except ObjectNotFound:
            pool = client.create_work_pool(
                WorkPoolCreate(name=POOL, type="process", concurrency_limit=MAX_RUNS)
            )
    if pool.type != "process":
        raise UserError(
            f"the work pool {POOL} has type {pool.type}; deploy/README.md shows how to start a "
            "worker for it"
        )


def _create_automation() -> None:
    automation = AutomationCore.model_validate(read_yaml(ROOT / "deploy" / "automation.yaml"))
    trigger = automation.trigger.model_dump(exclude={"id"})
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(automation.name)
        if not found:
            client.create_automation(automation)
        elif found[0].trigger.model_dump(exclude={"id"}) != trigger:
            client.update_automation(found[0].id, automation)


@app.command()
def stop() -> None:
    """End the worker, whose flows save first, and the server, if `start` started them."""
    local = local_prefect(find_repository())
    for name in ("worker", "server"):
        if process := local.find(name):
            if name == "worker":
                # flows first: the worker would not wait until they have reported their state
                end_processes(process.children())
            end_processes([process, *process.children(recursive=True)])
        typer.echo(f"{name} stopped" if process else f"no {name} was running")


@app.command()
def run(parameters: str) -> None:
    """Run the flow with a private server; `esrgan flow` calls this."""
    # the supervisor signals the flow as well, and the server must outlive the flow
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    bypass_proxies()
    with private_server(local_prefect(find_repository()).folder) as server:
        os.environ |= {"PREFECT_API_URL": server.api, "PREFECT_HOME": str(server.folder)}
        command = [sys.executable, "-P", "-m", "pipelines.flows.train", parameters]
        done = subprocess.run(command, check=False)
    raise typer.Exit(code=done.returncode)


if __name__ == "__main__":
    try:
        app()
    except UserError as error:
        sys.exit(redact(str(error)))
