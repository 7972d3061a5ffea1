import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

EXIT = """
from esrgan_core.engine.loop import DivergedError
from pipelines.config.errors import UserError
from pipelines.sources.errors import HostError
from pipelines.stages.runner import exit_cleanly

with exit_cleanly("download"):
    {statement}
"""


def run_in(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"ESRGAN_STATUS": str(folder / "status.json")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("stage", ["stages.pretrain", "baselines.srcnn"])
def test_a_training_checks_the_parameters_of_later_stages(stage: str, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("seed: 1 #", "seed: -1 #"))
    done = run_in(tmp_path, "-m", f"pipelines.{stage}")
    _, _, name = stage.partition(".")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: params.yaml: finetune: seed must be at least 0")
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise UserError('set scale to 4')", "set scale to 4"),
        ("raise DivergedError('lower the learning rate')", "lower the learning rate"),
        ("raise HostError('example.org does not respond')", "example.org does not respond"),
        ("open('missing')", "[Errno 2] No such file or directory: 'missing'"),
        ("import os; os.write(9999, b'')", "[Errno 9] Bad file descriptor"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line(
    statement: str, message: str, tmp_path: Path
) -> None:
    done = run_in(tmp_path, "-c", EXIT.format(statement=statement))
    assert (done.returncode, done.stderr) == (1, f"download: {message}\n")
    assert json.loads((tmp_path / "status.json").read_text())["problem"] == message


@pytest.mark.parametrize("error", ["ValueError", "OSError", "KeyError"])
def test_any_other_error_keeps_its_traceback(error: str, tmp_path: Path) -> None:
    done = run_in(tmp_path, "-c", EXIT.format(statement=f"raise {error}('a defect')"))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert "a defect" in done.stderr.splitlines()[-1]
    assert "a defect" in json.loads((tmp_path / "status.json").read_text())["problem"]


def test_a_signal_sets_the_exit_code(tmp_path: Path) -> None:
    statement = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = run_in(tmp_path, "-c", EXIT.format(statement=statement))
    assert (done.returncode, done.stderr) == (143, "")
