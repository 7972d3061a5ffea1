"""Prefect on this machine: `make prefect` starts a server, the work pool and a worker.

`python -m pipelines.flows.local_server start` may be repeated: what runs already is not changed.
What it starts is noted under the state root, and `stop` ends only that.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import requests
import typer
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runs.workspace import Repository, repository
from pipelines.runtime.parent_watch import is_alive
from pipelines.runtime.redaction import redact

HERE = ("127.0.0.1", "localhost")
"""Names of this machine."""
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POOL = "gpu"
RUNS_AT_ONCE = 4
"""Of the pool; at each device only one of them trains."""
SILENCE = timedelta(seconds=100)
"""Without a sign of life, of which prefect.yaml has one every 30 s, a flow counts as crashed."""
SECONDS_TO_START = 90.0
SECONDS_TO_STOP = 45.0
"""That the worker's flows may take to save."""
MOST_SAID = 2000
"""Characters of a log that a message has."""
ZOMBIES = "esrgan: runs that gave no sign of life are crashed"
HEARTBEAT_EVENT = "prefect.flow-run.heartbeat"
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A process that was started from here."""

    pid: int
    command: list[str]
    """A number may be given again, and the time of a start changes with the system's clock."""
    api: str
    """The server that it is, or works for."""

    def process(self) -> psutil.Process | None:
        """The process, None if it is over."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            if found.cmdline() == self.command and is_alive(found):
                return found
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Local:
    """A server's address, and where what runs here is noted."""

    api: str
    folder: Path

    @property
    def ui(self) -> str:
        """Address for people."""
        return self.api.removesuffix("/api")

    @property
    def settings(self) -> dict[str, str]:
        """What Prefect's own processes have to know."""
        return {
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.folder),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    @property
    def is_here(self) -> bool:
        """Whether the server is this machine's."""
        return urlsplit(self.api).hostname in HERE

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{name}.log"

    def answers(self) -> bool:
        """Whether a Prefect server answers there."""
        with suppress(requests.RequestException):
            return requests.get(f"{self.api}/health", timeout=2).ok
        return False

    def started(self, name: str) -> psutil.Process | None:
        """The process that was started under a name, if it still runs."""
        noted = self._noted(name)
        return noted.process() if noted else None

    def check_own_server(self) -> None:
        """Refuse to go on beside a server or a worker of another server.

        Raises:
            OSError: if one runs.
        """
        for name in ("server", "worker"):
            noted = self._noted(name)
            if noted and noted.api != self.api and noted.process():
                raise OSError(f"a {name} of {noted.api} runs here; `make stop` ends it")

    def _noted(self, name: str) -> Started | None:
        note = self.folder / f"{name}.json"
        if not note.is_file():
            return None
        try:
            return Started(**from_json(note.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise OSError(
                f"{note} cannot be read ({error}); end that {name} by hand, then remove the file"
            ) from error

    def start(self, name: str, command: list[str], env: Mapping[str, str]) -> psutil.Process:
        """Start a process that stays when this one ends; its output goes to a log file."""
        whole = [sys.executable, "-m", "prefect", *command]
        with self.log(name).open("ab") as log, _default_signals():
            process = psutil.Popen(
                whole,
                cwd=self.folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        note = Started(pid=process.pid, command=whole, api=self.api)
        write_text(self.folder / f"{name}.json", to_json(asdict(note)))
        return process

    def start_server(self, env: Mapping[str, str]) -> psutil.Process:
        """Start a server, and wait until it answers.

        Raises:
            OSError: if it does not, or something else listens at its port.
        """
        host, port = urlsplit(self.api).hostname or "127.0.0.1", urlsplit(self.api).port or 4200
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                raise OSError(
                    f"something else than Prefect listens at port {port}; set PREFECT_API_URL to "
                    f"http://127.0.0.1:{port + 1}/api, here and where you call prefect"
                )
        command = ["server", "start", "--host", host, "--port", str(port)]
        server = self.start("server", command, env)
        end = time.monotonic() + SECONDS_TO_START
        while not self.answers():
            if not is_alive(server) or time.monotonic() > end:
                _end([server])
                said = self.log("server").read_text(encoding="utf-8", errors="replace")
                raise OSError(f"the server does not start:\n{said[-MOST_SAID:]}")
            time.sleep(0.2)
        return server


@contextmanager
def _default_signals() -> Iterator[None]:
    """Start processes that heed signals which this one was told to ignore.

    A script's background commands ignore SIGINT, and Prefect's worker, which inherits that, ends
    by sending itself SIGINT.
    """
    ignored = [one for one in ENDINGS if signal.getsignal(one) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def local(source: Repository) -> Local:
    """The server that `PREFECT_API_URL` or the project's settings name."""
    with get_client(sync_client=True) as client:
        api = str(client.api_url).rstrip("/")
    folder = source.state / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    found = Local(api=api, folder=folder)
    if found.is_here:
        leave_out_proxies()
    return found


def leave_out_proxies() -> None:
    """Let nothing that is said to this machine go through a proxy."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    everything = ",".join([*([given] if given else []), *HERE])
    os.environ |= dict.fromkeys(("no_proxy", "NO_PROXY"), everything)


@app.command()
def start() -> None:
    """Start what does not run yet: server, work pool, deployments, automation and a worker."""
    source = repository()
    here = local(source)
    here.check_own_server()
    env = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "ESRGAN_STATE": str(source.state),
        **here.settings,
    }
    if not here.answers():
        if not here.is_here:
            raise OSError(f"no Prefect server answers at {here.api}, which PREFECT_API_URL names")
        if here.started("server"):
            raise OSError(f"the server does not answer; `make stop`, or see {here.log('server')}")
        here.start_server(env)
    _set_up_pool()
    _set_up_automation()
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(f"the deployments were refused: {done.stdout}{done.stderr}")
    if here.started("worker") is None:
        settings = {"PREFECT_WORKER_QUERY_SECONDS": "5"}
        name = f"{socket.gethostname()}-{source.state.parent.name}"
        here.start("worker", ["worker", "start", "--pool", POOL, "--name", name], env | settings)
    typer.echo(f"Prefect's UI: {here.ui}")
    typer.echo("start a run:  prefect deployment run esrgan/sample --watch")
    typer.echo(f"logs:         {here.log('server')}, {here.log('worker')}")
    typer.echo("end it all:   make stop")


def _set_up_pool() -> None:
    with get_client(sync_client=True) as client:
        try:
            pool = client.read_work_pool(POOL)
        except ObjectNotFound:
            pool = client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        if pool.type != "process":
            raise OSError(
                f"the server's work pool {POOL} is of type {pool.type}, whose workers start as "
                "deploy/README.md says"
            )
        if pool.concurrency_limit is None:
            client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=RUNS_AT_ONCE))


def _set_up_automation() -> None:
    """Let the server call a run crashed whose process is gone without a word."""
    ends = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
    wanted = AutomationCore(
        name=ZOMBIES,
        trigger=EventTrigger(
            after={HEARTBEAT_EVENT},
            expect={HEARTBEAT_EVENT, *ends},
            for_each={"prefect.resource.id"},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            # flows of others may be silent for longer
            match_related={
                "prefect.resource.role": "flow",
                "prefect.resource.name": ["esrgan", "upscale"],
            },
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                force=False,
                message="Its process gave no sign of life; run the same name again to go on.",
            )
        ],
    )
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(ZOMBIES)
        if not found:
            client.create_automation(wanted)
        elif found[0].trigger.model_dump(exclude={"id"}) != wanted.trigger.model_dump(
            exclude={"id"}
        ):
            client.update_automation(found[0].id, wanted)


@app.command()
def stop() -> None:
    """End the worker, whose runs save first, and the server, if they were started from here."""
    here = local(repository())
    for name in ("worker", "server"):
        process = here.started(name)
        if process is None:
            typer.echo(f"no {name} was running")
        else:
            # a worker would not wait for its flows to say what became of them
            flows = process.children() if name == "worker" else []
            _end(flows)
            _end([process, *process.children(recursive=True)])
            typer.echo(f"{name} stopped")
        (here.folder / f"{name}.json").unlink(missing_ok=True)


def _end(processes: list[psutil.Process]) -> None:
    """End processes, and kill what does not heed it."""
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    _, left = psutil.wait_procs(processes, timeout=SECONDS_TO_STOP)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()


@app.command()
def run(parameters: str) -> None:
    """Run the flow with a server of its own, which ends with it; what `esrgan flow` calls."""
    # whoever supervises this ends the flow, too, and the server is to outlive it
    for number in ENDINGS:
        signal.signal(number, lambda *_: None)
    leave_out_proxies()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        here = Local(api=f"http://127.0.0.1:{port}/api", folder=Path(folder))
        server = here.start_server(here.settings)
        try:
            command = [sys.executable, "-P", "-m", "pipelines.flows.train", parameters]
            code = subprocess.run(command, env={**os.environ, **here.settings}, check=False)
        finally:
            server.terminate()
            server.wait(SECONDS_TO_STOP)
    raise typer.Exit(code=code.returncode)


if __name__ == "__main__":
    try:
        app()
    except OSError as problem:
        sys.exit(redact(str(problem)))
