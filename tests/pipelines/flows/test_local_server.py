"""Processes of Prefect that `make prefect` starts, finds and ends; tests/e2e has the commands."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from pipelines.config.errors import UserError
from pipelines.flows.local_server import LocalPrefect, bypass_proxies, private_server
from tests.support.http_server import serving

API = "http://127.0.0.1:1/api"


@pytest.fixture
def local(tmp_path: Path) -> LocalPrefect:
    return LocalPrefect(api=API, folder=tmp_path)


@pytest.fixture
def worker(tmp_path: Path, local: LocalPrefect) -> Iterator[psutil.Process]:
    """A process that looks like a worker of the folder."""
    package = tmp_path / "prefect"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import time; time.sleep(600)")
    env = {**os.environ, "PREFECT_API_URL": API, "PREFECT_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start"], cwd=tmp_path, env=env
    ) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_worker_is_found_by_its_folder(
    local: LocalPrefect, worker: psutil.Process, tmp_path: Path
) -> None:
    assert local.find("worker") == worker
    assert local.find("server") is None
    assert LocalPrefect(api=API, folder=tmp_path / "other").find("worker") is None
    worker.kill()
    worker.wait()
    assert local.find("worker") is None


def test_a_worker_of_another_server_is_an_error(
    local: LocalPrefect, worker: psutil.Process, tmp_path: Path
) -> None:
    local.check_api()
    other = LocalPrefect(api="http://127.0.0.1:2/api", folder=tmp_path)
    with pytest.raises(UserError, match=f"Prefect at {API} is running; `make stop`"):
        other.check_api()


def test_a_port_of_another_program_is_an_error(tmp_path: Path) -> None:
    with serving({}) as server:
        local = LocalPrefect(api=server.url("api"), folder=tmp_path)
        with pytest.raises(UserError, match="if another program uses port") as caught:
            local.start_server()
    assert "already in use" in str(caught.value)


def test_a_private_server_starts_with_a_copy_of_a_migrated_database(tmp_path: Path) -> None:
    with private_server(tmp_path) as server:
        assert server.is_healthy()
    (template,) = tmp_path.iterdir()
    with closing(sqlite3.connect(template)) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall()
        assert not connection.execute("SELECT * FROM flow").fetchall()
        connection.execute("CREATE TABLE mark (id)")
    with (
        private_server(tmp_path) as server,
        closing(sqlite3.connect(server.folder / "prefect.db")) as connection,
    ):
        connection.execute("SELECT * FROM mark")
    assert not server.is_healthy()
    assert not server.folder.exists()


def test_a_proxy_is_not_used_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"api/health": b"true"}) as server:
        local = LocalPrefect(api=server.url("api"), folder=tmp_path)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NO_PROXY", "mlflow.example")
        assert not local.is_healthy()
        bypass_proxies()
        assert local.is_healthy()
        assert os.environ["no_proxy"] == "mlflow.example,127.0.0.1,localhost"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_a_background_script_starts_does_not_ignore_signals(
    local: LocalPrefect,
) -> None:
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in endings]
    try:
        process = local.start("worker", "--help")
        status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        for number, handler in zip(endings, before, strict=True):
            signal.signal(number, handler)
    process.kill()
    process.wait()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert not [number for number in endings if ignored >> (number - 1) & 1]
