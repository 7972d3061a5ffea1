"""What `make prefect` knows of what it has started; tests/e2e has the rest."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pipelines.flows.local_server import Local, Started, leave_out_proxies
from tests.support.http_server import serving

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
    Local(api="http://one/api", folder=tmp_path).check_own_server()
    other = Local(api="http://two/api", folder=tmp_path)
    with pytest.raises(OSError, match="a worker of http://one/api runs here; `make stop`"):
        other.check_own_server()
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_started_in_the_background_of_a_script_heeds_signals(tmp_path: Path) -> None:
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in endings]
    try:
        process = Local(api="", folder=tmp_path).start("worker", ["version"], {})
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert all(signal.getsignal(number) == signal.SIG_IGN for number in endings)
    finally:
        for number, handler in zip(endings, before, strict=True):
            signal.signal(number, handler)
    process.kill()
    process.wait()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert not [number for number in endings if ignored >> (number - 1) & 1]
