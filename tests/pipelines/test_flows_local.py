"""What `make prefect` knows of what it has started; tests/e2e has the rest."""

import json
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
    with pytest.raises(OSError, match="a worker of http://one/api runs here; `make stop`"):
        Local(api="http://two/api", folder=tmp_path).insist_on_own()


def test_a_proxy_is_not_asked_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"api/health": b"true"}) as server:
        here = Local(api=server.url("api"), folder=tmp_path)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert not here.answers()
        leave_out_proxies()
        assert here.answers()
