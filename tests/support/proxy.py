"""A real MLflow server, and proxies whose connections are slow, hang, end, or are cut."""

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
from random import Random
from threading import Thread
from typing import Literal, Self

Condition = Literal["well", "slow", "hanging", "dead"]
SLOW_SECONDS = 0.1
"""Delay of each chunk in each direction: about half a second for a request."""
CHUNK = 1 << 16


@contextmanager
def mlflow_server(folder: Path, database: str = "server.db") -> Iterator[int]:
    """Run a server whose store is in `folder`; yields its port."""
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
        while not _is_healthy(port):
            assert time.monotonic() < end, "the server did not start"
            assert server.poll() is None, "the server has ended"
            time.sleep(0.2)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


class _Forwarder:
    """Forwards connections from a free port to `target`, in a thread."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, daemon=True)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.server = asyncio.run_coroutine_threadsafe(start, self.loop).result()
        self.port = int(self.server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(timeout=300)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=300)
        self.loop.close()

    async def _close(self) -> None:
        self.server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)
        writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Proxy(_Forwarder):
    """Forwards connections as its `condition` says at each moment."""

    condition: Condition = "well"

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.condition == "dead":
            return
        remote_reader, remote_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(
                self._forward(reader, remote_writer), self._forward(remote_reader, writer)
            )
        finally:
            remote_writer.close()

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self.condition == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                while self.condition == "hanging":
                    await asyncio.sleep(0.1)
                if self.condition == "dead":
                    break
                target.write(data)
                await target.drain()
            target.close()


class CuttingProxy(_Forwarder):
    """Cuts connections to `endpoint` after a random number of bytes, `cuts` times."""

    def __init__(self, endpoint: str, cuts: int) -> None:
        super().__init__(int(endpoint.rpartition(":")[2]))
        self.cuts, self.random = cuts, Random(0)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote_reader, remote_writer = await asyncio.open_connection("127.0.0.1", self.target)
        limit = self.random.randrange(1, 300_000) if self.cuts else 1 << 60
        requests = asyncio.ensure_future(self._forward(reader, remote_writer, 1 << 60))
        try:
            await self._forward(remote_reader, writer, limit)
        finally:
            requests.cancel()
            remote_writer.close()

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, limit: int
    ) -> None:
        forwarded = 0
        while chunk := await source.read(CHUNK):
            target.write(chunk[: limit - forwarded])
            await target.drain()
            forwarded += len(chunk)
            if forwarded >= limit:
                self.cuts = max(self.cuts - 1, 0)
                break
