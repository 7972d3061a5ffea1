"""Devices and processes of a training; some tests need a GPU."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its list of names

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import World
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from pipelines.config.errors import UserError
from pipelines.training.distributed import (
    current_device,
    current_world,
    set_determinism,
    training_devices,
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ESRGAN_DEVICE"):
        monkeypatch.delenv(name, raising=False)


def test_there_is_one_process_without_a_launcher() -> None:
    assert current_world() == World(rank=0, size=1)


def test_rank_and_size_are_those_of_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("ESRGAN_DEVICE", "cuda")
    world = current_world()
    assert (world, world.is_main) == (World(rank=1, size=3), False)
    assert current_device() == torch.device("cuda", 1)
    assert training_devices(world) == ["cuda:0", "cuda:1", "cuda:2"]


def test_the_device_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESRGAN_DEVICE", "cpu")
    assert current_device() == torch.device("cpu")
    assert training_devices(World(rank=0, size=2)) == ["cpu"]


def test_an_invalid_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "auto"):
        monkeypatch.setenv("ESRGAN_DEVICE", name)
        assert current_device().type in ("cpu", "cuda")
    monkeypatch.setenv("ESRGAN_DEVICE", "gpu")
    with pytest.raises(UserError, match="ESRGAN_DEVICE is 'gpu', which is not a device; set it"):
        current_device()


@pytest.fixture
def deterministic() -> Iterator[None]:
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
def test_determinism_gives_equal_bits_on_a_gpu(deterministic: None) -> None:
    del deterministic
    execution = Execution(precision="bf16", device=torch.device("cuda"))
    assert torch.equal(trained(execution), trained(execution))


@needs_gpu
def test_cuda_graphs_give_close_weights() -> None:
    plain = trained(Execution(device=torch.device("cuda")))
    graphs = trained(Execution(device=torch.device("cuda"), compile="reduce-overhead"))
    assert torch.allclose(plain, graphs, atol=1e-3)


DECIDING = """
import os
from pipelines.training.distributed import broadcast_from_main, current_world
print(broadcast_from_main("precision", lambda: "rank " + os.environ["RANK"], current_world()))
"""


def test_the_main_process_decides_for_all_processes() -> None:
    # the store of a launcher
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    rendezvous = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DECIDING],
            env=os.environ | rendezvous | {"RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("1", "0")
    ]
    decided = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert decided == ["rank 0", "rank 0"]
