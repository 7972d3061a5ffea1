import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from pipelines.config.errors import UserError
from pipelines.config.params import read_yaml
from pipelines.training.launcher import requested_processes
from tests.support import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ESRGAN_DEVICE", "ESRGAN_RANKS", "ESRGAN_NODES", "ESRGAN_RENDEZVOUS"):
        monkeypatch.delenv(name, raising=False)


def test_there_is_a_process_per_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = torch.cuda.device_count()
    assert requested_processes("pretrain", 16 * max(gpus, 1)) == (max(gpus, 1), 1)
    monkeypatch.setenv("ESRGAN_DEVICE", "cpu")
    assert requested_processes("pretrain", 16) == (1, 1)


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_an_invalid_number_of_processes_is_an_error(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ESRGAN_RANKS", value)
    with pytest.raises(UserError, match=f"ESRGAN_RANKS is '{value}'"):
        requested_processes("pretrain", 16)


def test_a_batch_is_shared_by_the_processes_of_all_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESRGAN_RANKS", "3")
    monkeypatch.setenv("ESRGAN_NODES", "4")
    with pytest.raises(UserError, match="set ESRGAN_RENDEZVOUS"):
        requested_processes("pretrain", 12)
    monkeypatch.setenv("ESRGAN_RENDEZVOUS", "127.0.0.1:1")
    assert requested_processes("pretrain", 12) == (3, 4)
    with pytest.raises(UserError, match="batch_size is 6, which 3 processes on each of 4 mach"):
        requested_processes("pretrain", 6)


@pytest.mark.parametrize(("batch_size", "ranks"), [(3, 2), (2, 3)])
def test_a_batch_that_cannot_be_shared_is_an_error_before_the_processes_start(
    tmp_path: Path, batch_size: int, ranks: int
) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["finetune"]["batch_size"] = batch_size
    YAML().dump(params, tmp_path / "params.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.stages.finetune"],
        cwd=tmp_path,
        env=os.environ | {"ESRGAN_RANKS": str(ranks), "ESRGAN_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"finetune: finetune.batch_size is {batch_size}, which {ranks} processes cannot share "
        f"evenly; set it to a multiple of {ranks}, or change ESRGAN_RANKS\n"
    )
