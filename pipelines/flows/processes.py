"""Prefect servers and workers that run as processes on this machine."""

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

from pipelines.config.errors import UserError
from pipelines.runtime.parent_watch import is_alive

LOCALHOST = ("127.0.0.1", "localhost")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SECONDS_TO_START = 90.0
SECONDS_TO_STOP = 45.0
"""Time that the worker's flows may take to save."""


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
