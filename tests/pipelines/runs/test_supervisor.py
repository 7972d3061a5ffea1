"""Commands under a supervisor: their output, their exit code, and that no process is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock, Timeout

from pipelines.runs.supervisor import HELD, STARTER, follow
from tests.support.trainings import wait_for

MARK = "ESRGAN_TEST_MARK"
SECONDS = 300
"""Timeout of each wait."""
SLEEPER = "import time; time.sleep(600)"
# in its own session, and without a parent after the shell has exited
DAEMON = f"setsid {sys.executable} -c '{SLEEPER}' & sleep 600"
SAVES = """
import signal, sys, time
def save(number, frame):
    time.sleep(1)
    open(sys.argv[1], "w").write("saved")
    sys.exit(3)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
for number in range(10_000):
    print(number, flush=True)
    time.sleep(0.01)
"""


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment by which all processes that inherit it are found."""
    env = {**os.environ, MARK: str(tmp_path), "ESRGAN_STATE": str(tmp_path)}
    env.pop("ESRGAN_RUN", None)
    yield env
    for process in alive(env):
        process.kill()


def alive(env: dict[str, str]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            of_test = process.environ().get(MARK) == env[MARK]
            if of_test and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def start(command: list[str], env: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.runs.supervisor", *command],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_output_is_passed_by_lines_and_the_exit_code_is_returned(
    script: str, code: int, marked: dict[str, str]
) -> None:
    lines: list[str] = []
    command = ["sh", "-c", f"echo one; echo two >&2; {script}"]
    found = follow(command, marked, on_line=lines.append, on_tick=lambda: None)
    assert (found, lines) == (code, ["one", "two"])


def test_an_orphan_of_a_finished_command_is_ended(marked: dict[str, str]) -> None:
    quick = ["sh", "-c", f"setsid {sys.executable} -c '{SLEEPER}' & exit 0"]
    with start(quick, marked) as process:
        assert process.wait(timeout=SECONDS) == 0
    assert alive(marked) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_processes(number: signal.Signals, marked: dict[str, str]) -> None:
    with start(["sh", "-c", DAEMON], marked) as process:
        wait_for(lambda: len(alive(marked)) >= 4)
        process.send_signal(number)
        assert process.wait(timeout=SECONDS) == 128 + number
    assert alive(marked) == []


def test_the_end_of_a_parent_during_imports_is_noticed(
    tmp_path: Path, marked: dict[str, str]
) -> None:
    ready, child = tmp_path / "ready", tmp_path / "child.py"
    child.write_text(
        "import os, pathlib, sys, time\n"
        "import pipelines\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "while os.getppid() == pipelines.PARENT:\n"
        "    time.sleep(0.05)\n"
        "from pipelines.runtime.parent_watch import die_with_parent\n"
        "die_with_parent()\n"
        "time.sleep(600)\n"
    )
    parent = f"{sys.executable} {child} {ready} & while [ ! -e {ready} ]; do sleep 0.05; done"
    subprocess.run(["sh", "-c", parent], env=marked, check=True, timeout=SECONDS)
    wait_for(lambda: not alive(marked))


def test_a_command_saves_after_its_output_was_closed(
    tmp_path: Path, marked: dict[str, str]
) -> None:
    process = start([sys.executable, "-c", SAVES, str(tmp_path / "out")], marked)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    time.sleep(0.2)
    process.terminate()
    assert process.wait(timeout=SECONDS) == 143
    assert (tmp_path / "out").read_text() == "saved"


@pytest.mark.parametrize("victim", ["parent", "supervisor"])
def test_a_command_saves_and_ends_when_its_parent_or_supervisor_is_killed(
    victim: str, tmp_path: Path, marked: dict[str, str]
) -> None:
    command = [sys.executable, "-c", SAVES, str(tmp_path / "out")]
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-m', 'pipelines.runs.supervisor', *sys.argv[1:]])\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *command],
        env=marked,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout
    assert parent.stdout.readline() == "ready\n"
    if victim == "parent":
        parent.kill()
    else:
        (supervisor,) = psutil.Process(parent.pid).children()
        supervisor.kill()
    wait_for(lambda: (tmp_path / "out").exists())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: alive(marked) == [])


def test_a_lock_is_held_until_the_command_has_ended(tmp_path: Path, marked: dict[str, str]) -> None:
    held = tmp_path / "held.lock"
    process = start(
        [sys.executable, "-c", SAVES, str(tmp_path / "out")], {**marked, HELD: str(held)}
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(Timeout), FileLock(held, timeout=0):
        pass
    process.send_signal(signal.SIGTERM)
    with FileLock(held, timeout=SECONDS):
        assert (tmp_path / "out").read_text() == "saved"
    process.stdout.close()
    process.wait()


def test_no_command_is_started_when_the_parent_has_ended(marked: dict[str, str]) -> None:
    with start(["echo", "started"], {**marked, STARTER: str(os.getppid())}) as process:
        output, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, output) == (128 + signal.SIGHUP, "")


def test_an_exception_ends_the_command(marked: dict[str, str]) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(["sleep", "600"], marked, on_line=print, on_tick=stop)
    assert alive(marked) == []
