"""Which devices and how many processes a training has; what only a GPU can show."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its list of names

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import World
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from pipelines.config.params import read_yaml
from pipelines.training.distributed import (
    check_equal_slices,
    device_of_rank,
    devices_of_world,
    ranks_wanted,
    set_determinism,
    world_of_environment,
)
from tests.support import ROOT

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ESRGAN_DEVICE", "ESRGAN_RANKS"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_launcher_a_process_is_alone() -> None:
    assert world_of_environment() == World(rank=0, size=1)
    assert ranks_wanted() == max(torch.cuda.device_count(), 1)


def test_the_launcher_says_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("ESRGAN_DEVICE", "cuda")
    world = world_of_environment()
    assert (world, world.is_main) == (World(rank=1, size=3), False)
    assert device_of_rank() == torch.device("cuda", 1)
    assert devices_of_world(world) == ["cuda:0", "cuda:1", "cuda:2"]


def test_the_device_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESRGAN_DEVICE", "cpu")
    assert device_of_rank() == torch.device("cpu")
    assert devices_of_world(World(rank=0, size=2)) == ["cpu"]
    assert ranks_wanted() == 1


def test_no_device_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "auto"):
        monkeypatch.setenv("ESRGAN_DEVICE", name)
        assert device_of_rank().type in ("cpu", "cuda")
    monkeypatch.setenv("ESRGAN_DEVICE", "gpu")
    with pytest.raises(ValueError, match="ESRGAN_DEVICE is 'gpu', which is no device; take auto"):
        device_of_rank()


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_a_number_of_processes_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ESRGAN_RANKS", value)
    with pytest.raises(ValueError, match=f"ESRGAN_RANKS is '{value}'"):
        ranks_wanted()


@pytest.mark.parametrize(("batch_size", "ranks"), [(3, 2), (2, 3)])
def test_a_batch_that_processes_cannot_share_is_refused_before_they_start(
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


def test_a_batch_is_shared_by_the_processes_of_all_machines() -> None:
    check_equal_slices("pretrain", 12, 3, 4)
    with pytest.raises(ValueError, match="batch_size is 6, which 3 processes on each of 4 mach"):
        check_equal_slices("pretrain", 6, 3, 4)


@pytest.fixture
def determined() -> Iterator[None]:
    set_determinism(on=True)
    yield
    set_determinism(on=False)


def trained(execution: Execution) -> torch.Tensor:
    """All weights after a few steps on the GPU."""
    torch.manual_seed(1)
    generator = RRDBNet(RRDBNetConfig(num_features=16, num_blocks=2, growth_channels=8))
    step = PixelStep(generator, OptimizerConfig(learning_rate=1e-3), ema=0.9, execution=execution)
    for seed in range(5):
        random = torch.Generator("cuda").manual_seed(seed)
        lr = torch.rand(8, 3, 16, 16, device="cuda", generator=random)
        hr = torch.rand(8, 3, 64, 64, device="cuda", generator=random)
        step(Pair(lr=lr, hr=hr), rate=1.0)
    return torch.cat([value.flatten() for value in step.ema.network.state_dict().values()])


@needs_gpu
def test_the_switch_gives_equal_bits_on_a_gpu(determined: None) -> None:
    del determined
    execution = Execution(precision="bf16", device=torch.device("cuda"))
    assert torch.equal(trained(execution), trained(execution))


@needs_gpu
def test_cuda_graphs_learn_the_same() -> None:
    plain = trained(Execution(device=torch.device("cuda")))
    graphs = trained(Execution(device=torch.device("cuda"), compile="reduce-overhead"))
    assert torch.allclose(plain, graphs, atol=1e-3)


DECIDING = """
import os
from pipelines.ranks import agree, world_of_environment
print(agree("precision", lambda: "rank " + os.environ["RANK"], world_of_environment()))
"""


def test_the_main_process_decides_for_all() -> None:
    # as a launcher does, which holds the store that its processes meet at
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    meeting = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DECIDING],
            env=os.environ | meeting | {"RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("1", "0")
    ]
    decided = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert decided == ["rank 0", "rank 0"]
