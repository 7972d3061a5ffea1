"""The trainings of the ablation: which ones run, on which device, and how they end."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from ruamel.yaml import YAML

from esrgan_core.data.pairs import PairStore
from pipelines.baselines.ablation import AblationRunner, Variant, variants
from pipelines.ops.prune import list_trainings
from pipelines.stages.sections import AblationConfig
from pipelines.training.locks import LOCK
from tests.support.trainings import SECONDS_TO_END, wait_for

CONFIG = AblationConfig(
    seeds=[0], pretrain_steps=4, finetune_steps=2, patch_size=32, batch_size=2,
    num_features=4, num_blocks=1, growth_channels=2, precision="fp32",
)  # fmt: skip
BY_NAME = {variant.name: variant for variant in variants(CONFIG, scale=4)}
FULL, STANDARD_GAN = BY_NAME["ESRGAN"], BY_NAME["standard GAN"]
SLOW = replace(CONFIG, pretrain_steps=200)
Files = dict[str, tuple[int, int]]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ESRGAN_DEVICE", raising=False)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def networks(state: Path) -> Files:
    """Every network that is kept; a file that is written again is another one."""
    files = {path.name: path.stat() for path in state.glob("ablation/*.safetensors")}
    return {name: (found.st_ino, found.st_mtime_ns) for name, found in files.items()}


@pytest.fixture
def after(store: PairStore, state: Path) -> Callable[..., Files]:
    """Trains two variants with every seed; gives the networks that are kept then."""

    def train(config: AblationConfig, *chosen: Variant) -> Files:
        runner = AblationRunner(config, store)
        for seed in config.seeds:
            for variant in chosen:
                runner.pretrain(variant, seed)
                runner.finetune(variant, seed)
        return networks(state)

    return train


def test_only_networks_that_a_change_affects_are_trained(after: Callable[..., Files]) -> None:
    # the two differ only in stage 2
    before = after(CONFIG, FULL, STANDARD_GAN)
    assert len(before) == 1 + 2
    for config, variant, more in (
        (CONFIG, STANDARD_GAN, 0),
        (replace(CONFIG, seeds=[0, 1]), STANDARD_GAN, 1 + 2),
        (replace(CONFIG, finetune_steps=3), STANDARD_GAN, 2),
        (CONFIG, replace(STANDARD_GAN, weight=2.0), 1),
        (replace(CONFIG, seeds=[1], pretrain_steps=5), STANDARD_GAN, 1 + 2),
    ):
        found = after(config, FULL, variant)
        assert before.items() <= found.items()
        assert len(found) == len(before) + more
        before = found


@pytest.mark.parametrize("name", ["", "cuda", "cuda:1"])
def test_the_device_is_that_of_stages(
    store: PairStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ESRGAN_DEVICE", name)
    device = AblationRunner(CONFIG, store).execution.device
    expected = name or ("cuda" if torch.cuda.is_available() else "cpu")
    assert str(device) == {"cuda": "cuda:0"}.get(expected, expected)


def test_a_network_that_another_process_trains_is_not_trained_again(
    store: PairStore, state: Path
) -> None:
    runner = AblationRunner(CONFIG, store)
    runner.pretrain(FULL, 0)
    (network,) = (state / "ablation").iterdir()
    network.unlink()
    with (
        FileLock(state / "checkpoints" / "ablation" / network.stem / LOCK),
        pytest.raises(ValueError, match=r"is training in .*; wait until it ends"),
    ):
        runner.pretrain(FULL, 0)


def test_checkpoints_are_needed_until_the_network_is_kept(store: PairStore, state: Path) -> None:
    def found() -> list[str]:
        return [training.state for training in list_trainings()]

    runner = AblationRunner(CONFIG, store)
    network = runner.pretrain(FULL, 0)
    assert found() == ["kept by the ablation"]
    network.unlink()
    assert found() == ["unfinished"]
    shutil.rmtree(state / "checkpoints")
    runner.pretrain(FULL, 0)
    assert found() == ["kept by the ablation"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_run_continues_after_the_last_checkpoint_to_the_same_bits(
    store: PairStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    shutil.copytree(store.root, tmp_path / "artifacts" / "pairs")
    section = {name: getattr(SLOW, name) for name in SLOW.__slots__}
    YAML().dump({"scale": 4, "ablation": section}, tmp_path / "params.yaml")
    states = tmp_path / "state" / "checkpoints" / "ablation"
    run = subprocess.Popen([sys.executable, "-m", "pipelines.baselines.ablation"])
    try:
        wait_for(lambda: run.poll() is not None or len(list(states.glob("*/step_*.json"))) == 2)
        run.send_signal(number)
        assert run.wait(SECONDS_TO_END) == (-number if number == signal.SIGKILL else 128 + number)
    finally:
        run.kill()
        run.wait()
    printed = capfd.readouterr().err
    assert number == signal.SIGKILL or re.search(
        r"ablation: stopped by SIGTERM after step \d+, saved; run the same command",
        printed,
    )
    assert not list((tmp_path / "state").glob("ablation/*"))
    saved = max(int(path.stem.partition("_")[2]) for path in states.glob("*/step_*.json"))
    assert 0 < saved < SLOW.pretrain_steps

    resumed = AblationRunner(SLOW, store).pretrain(FULL, 0)
    printed = capfd.readouterr().err
    assert f"ESRGAN, seed 0, stage 1: continuing after step {saved} of" in printed
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "undisturbed"))
    whole = AblationRunner(SLOW, store).pretrain(FULL, 0)
    assert "continuing" not in capfd.readouterr().err
    assert resumed.name == whole.name
    assert resumed.read_bytes() == whole.read_bytes()
