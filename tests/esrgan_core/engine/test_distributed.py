"""Two processes that share a batch, against one that has all of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from esrgan_core.engine.distributed import World
from tests.states import tensors

WORKER = """
import os, sys
import torch
import torch.distributed as dist
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import World
from esrgan_core.engine.execution import OptimizerConfig, Execution
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig

rank, size, folder, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if size > 1:
    dist.init_process_group("gloo", rank=rank, world_size=size, init_method=f"file://{folder}/meet")
world = World(rank=rank, size=size)
torch.manual_seed(1)
generator = RRDBNet(
    RRDBNetConfig(
        num_features=8, num_blocks=1, growth_channels=4, batch_norm=kind == "batch_norm"
    )
).double()
adam, execution = OptimizerConfig(learning_rate=1e-3), Execution(world=world)
if kind == "gan":
    torch.manual_seed(2)
    config = VGGDiscriminatorConfig(patch_size=32, num_features=4)
    discriminator = VGGDiscriminator(config).double()
    step = GanStep(
        generator, discriminator, torch.nn.MSELoss(), ADVERSARIAL["relativistic_average"],
        weights=LossWeights(adversarial=1.0), generator_optimizer=adam,
        discriminator_optimizer=adam, ema=0.5, execution=execution,
    )
else:
    step = PixelStep(generator, adam, ema=0.5, execution=execution)
torch.manual_seed(3)
for number in range(4):
    lr, hr = torch.rand(4, 3, 8, 8).double(), torch.rand(4, 3, 32, 32).double()
    if number == 2:
        hr[3] *= float("nan")  # in the last process's share alone
    share = world.share(4)
    mine = slice(share.start, share.stop)
    terms = step(Pair(lr=lr[mine], hr=hr[mine]), 1.0)
    values = world.mean(torch.stack([term.double() for term in terms.values()]))
    if rank == 0:
        print(*(f"{name}={value:.9f}" for name, value in zip(terms, values.tolist())))
state = {name: part.state_dict() for name, part in step.state().items()}
torch.save(state, f"{folder}/{kind}-{size}-{rank}.pt")
assert world.most(rank) == size - 1
if size > 1:
    dist.destroy_process_group()
"""


def train(folder: Path, kind: str, size: int) -> list[str]:
    """What the first of `size` processes printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(size), str(folder), kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    printed = [process.communicate(timeout=120) for process in processes]
    for process, (_, errors) in zip(processes, printed, strict=True):
        assert process.returncode == 0, errors
    return printed[0][0].splitlines()


@pytest.mark.parametrize("kind", ["pixel", "batch_norm", "gan"])
def test_two_processes_do_what_one_does_on_the_same_batches(tmp_path: Path, kind: str) -> None:
    alone, together = train(tmp_path, kind, 1), train(tmp_path, kind, 2)
    assert len(alone) == 4
    for one, two in zip(alone, together, strict=True):
        for left, right in zip(one.split(), two.split(), strict=True):
            name, value = left.split("=")
            assert float(right.split("=")[1]) == pytest.approx(
                float(value), abs=1e-7, nan_ok=True
            ), name
    # what is not finite in one share is skipped by all
    assert "skipped=1.000000000" in together[2]
    expected = tensors(torch.load(tmp_path / f"{kind}-1-0.pt"))
    for rank in (0, 1):
        found = tensors(torch.load(tmp_path / f"{kind}-2-{rank}.pt"))
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            # a relativistic loss moves the last bias by rounding alone, which Adam blows up
            if not key.endswith("classifier.3.bias") and "optimizer" not in key:
                assert torch.allclose(tensor, found[key], atol=1e-7), key


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert World(rank=1, size=2).share(6) == range(3, 6)
    with pytest.raises(ValueError, match="batch_size 5 cannot be shared by 2 processes"):
        World(rank=0, size=2).share(5)
