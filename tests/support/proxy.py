"""A real MLflow server, and a way to it that can be slow, hang, or be dead."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Literal

Condition = Literal["well", "slow", "hanging", "dead"]
SLOW_SECONDS = 0.1
"""Each way, for each piece of a request: about half a second in all."""


@contextmanager
def mlflow_server(folder: Path, database: str = "server.db") -> Iterator[int]:
    """Port of a server whose store lies in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    server = subprocess.Popen(
        [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/{database}",
            "--artifacts-destination", str(folder / "served"),
        ],
        env=os.environ
        | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 300
        while not _answers(port):
            assert time.monotonic() < end, "the server did not come up"
            assert server.poll() is None, "the server has ended"
            time.sleep(0.2)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Proxy:
    """Hands connections on to a port, as its `condition` is at each moment."""

    def __init__(self, port: int) -> None:
        self.port, self.condition = port, "well"
        self.loop = asyncio.new_event_loop()
        self.own = 0
        self.writers: set[asyncio.StreamWriter] = set()

    condition: Condition

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.own}"

    def __enter__(self) -> "Proxy":
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0)
        )
        self.own = int(self.server.sockets[0].getsockname()[1])
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(timeout=300)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=300)
        self.loop.close()

    async def _close(self) -> None:
        self.server.close()
        self.condition = "dead"
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.condition == "dead":
            writer.close()
            return
        with suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self.port)
            self.writers |= {writer, there[1]}
            await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))
        writer.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if self.condition == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                while self.condition == "hanging":
                    await asyncio.sleep(0.1)
                if self.condition == "dead":
                    break
                target.write(data)
                await target.drain()
            target.close()
