"""What `make prefect` knows of what it has started; tests/e2e has the rest."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pipelines.flows_local import Local, Started, leave_out_proxies
from tests.pipelines.sources.server import serving

COMMAND = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def pid() -> Iterator[int]:
    with subprocess.Popen(COMMAND) as process:
        yield process.pid
        process.kill()


def test_a_number_that_was_given_again_is_another_process(pid: int) -> None:
    assert Started(pid=pid, command=COMMAND, api="").process()
    assert Started(pid=pid, command=[*COMMAND, "more"], api="").process() is None
    assert Started(pid=2**22 + 1, command=COMMAND, api="").process() is None


def test_a_worker_of_another_server_is_named(pid: int, tmp_path: Path) -> None:
    note = Started(pid=pid, command=COMMAND, api="http://one/api")
    (tmp_path / "worker.json").write_text(json.dumps(asdict(note)))
    Local(api="http://one/api", folder=tmp_path).insist_on_own()
    other = Local(api="http://two/api", folder=tmp_path)
    with pytest.raises(OSError, match="a worker of http://one/api runs here; `make stop`"):
        other.insist_on_own()
    (tmp_path / "worker.json").write_text(json.dumps({"pid": pid, "since": 0.0}))
    with pytest.raises(OSError, match=r"worker\.json cannot be read"):
        other.started("worker")


def test_a_proxy_is_not_asked_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"api/health": b"true"}) as server:
        here = Local(api=server.url("api"), folder=tmp_path)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NO_PROXY", "mlflow.example")
        assert not here.answers()
        leave_out_proxies()
        assert here.answers()
        assert os.environ["no_proxy"] == "mlflow.example,127.0.0.1,localhost"
