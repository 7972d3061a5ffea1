"""Prefect on this machine: a server, the work pool, the deployments and a worker.

`make prefect` runs `python -m pipelines.flows.local_server start`, which may be repeated; `make
stop` runs `stop`, which ends only the processes that `start` started.
"""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import prefect
import psutil
import requests
import typer
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from pipelines.config.errors import UserError
from pipelines.config.params import read_yaml
from pipelines.runs.repository import Repository, find_repository
from pipelines.runtime.parent_watch import SIGNALS, is_alive
from pipelines.runtime.redaction import redact

ROOT = Path(__file__).parents[2]
POOL = "gpu"
MAX_RUNS = 4
"""Concurrent runs of the pool; only one of them trains on each device."""
LOCALHOST = ("127.0.0.1", "localhost")
SECONDS_TO_START = 90.0
SECONDS_TO_STOP = 45.0
"""Time that the worker's flows may take to save."""
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalPrefect:
    """The server and worker whose database and logs are in one folder."""

    api: str
    folder: Path

    def is_healthy(self) -> bool:
        """Whether the server answers."""
        with suppress(requests.RequestException):
            return requests.get(f"{self.api}/health", timeout=2).ok
        return False

    def find(self, name: str) -> psutil.Process | None:
        """The running server or worker, recognized by its command and its Prefect home."""
        command, home = ["-m", "prefect", name], str(self.folder)
        for process in psutil.process_iter():
            with suppress(psutil.Error, KeyError):
                if process.cmdline()[1:4] == command and process.environ()["PREFECT_HOME"] == home:
                    return process
        return None

    def start(self, name: str, *arguments: str) -> psutil.Process:
        """Start a server or worker that outlives this process.

        `prefect server start --background` would discard the log.
        """
        for number in SIGNALS:
            # a script's background commands ignore SIGINT, with which Prefect's worker ends itself
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        with (self.folder / f"{name}.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", "prefect", name, "start", *arguments],
                cwd=self.folder,
                env={**os.environ, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_server(self) -> psutil.Process:
        """Start a server, and wait until it answers."""
        url = urlsplit(self.api)
        host, port = url.hostname or LOCALHOST[0], url.port or 4200
        server = self.start("server", "--host", host, "--port", str(port))
        end = time.monotonic() + SECONDS_TO_START
        while not self.is_healthy():
            if not is_alive(server) or time.monotonic() > end:
                end_processes([server])
                log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
                raise UserError(
                    f"no Prefect server starts at {self.api}: end an old one with `make stop`; if "
                    f"another program uses port {port}, set PREFECT_API_URL to another address, "
                    f"such as http://127.0.0.1:{port + 1}/api. The log ends with:\n{log[-1000:]}"
                )
            time.sleep(0.2)
        return server

    def check_api(self) -> None:
        """Check that the processes that run do not belong to another server."""
        for process in filter(None, map(self.find, ("server", "worker"))):
            if (api := process.environ()["PREFECT_API_URL"]) != self.api:
                raise UserError(f"Prefect at {api} is running; `make stop` ends it")


@contextmanager
def private_server(folder: Path) -> Iterator[LocalPrefect]:
    """A server with a temporary database, which is copied from `folder`: to create one is slow."""
    with socket.socket() as free:
        free.bind((LOCALHOST[0], 0))
        port = free.getsockname()[1]
    template = folder / f"empty-{prefect.__version__}.db"
    with TemporaryDirectory() as temporary:
        database = Path(temporary, "prefect.db")
        if template.is_file():
            copyfile(template, database)
        local = LocalPrefect(api=f"http://{LOCALHOST[0]}:{port}/api", folder=Path(temporary))
        server = local.start_server()
        try:
            if not template.is_file():
                with closing(sqlite3.connect(database)) as connection:
                    connection.execute("VACUUM INTO ?", (f"{template}.{port}",))
                Path(f"{template}.{port}").replace(template)
            yield local
        finally:
            end_processes([server])


def end_processes(processes: Sequence[psutil.Process]) -> None:
    """Terminate processes, and kill those that do not end in time."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=SECONDS_TO_STOP)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def bypass_proxies() -> None:
    """Exclude this machine from the proxies that the environment sets."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(filter(None, (given, *LOCALHOST)))
    os.environ |= {"no_proxy": hosts, "NO_PROXY": hosts}


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
    _create_pool_and_automation()
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


def _create_pool_and_automation() -> None:
    automation = AutomationCore.model_validate(read_yaml(ROOT / "deploy" / "automation.yaml"))
    trigger = automation.trigger.model_dump(exclude={"id"})
    with prefect.get_client(sync_client=True) as client:
        try:
            pool = client.read_work_pool(POOL)
        except ObjectNotFound:
            created = WorkPoolCreate(name=POOL, type="process", concurrency_limit=MAX_RUNS)
            pool = client.create_work_pool(created)
        if pool.type != "process":
            raise UserError(
                f"the work pool {POOL} has type {pool.type}; deploy/README.md shows how to start a "
                "worker for it"
            )
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
