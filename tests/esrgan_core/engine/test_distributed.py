"""Two processes that share a batch, against one that has all of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from esrgan_core.engine.distributed import World
from tests.support.states import tensors

WORKER = """
import os, sys
import torch
import torch.distributed as dist
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import World
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.models.configs import (
    ClassDiscriminatorConfig, RRDBNetConfig, SFTNetConfig, SRResNetConfig, VGGDiscriminatorConfig
)
from esrgan_core.models.discriminator import ClassDiscriminator, VGGDiscriminator
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.srresnet import SRResNet

rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
if size > 1:
    dist.init_process_group("gloo", rank=rank, world_size=size, init_method=f"file://{folder}/meet")
world = World(rank=rank, size=size)


def train(kind):
    torch.manual_seed(1)
    if kind == "classes":
        generator = SFTNet(
            SFTNetConfig(num_features=4, num_blocks=1, num_classes=3, condition_features=4)
        ).double()
    elif kind == "srresnet":
        generator = SRResNet(SRResNetConfig(num_features=4, num_blocks=2)).double()
    else:
        generator = RRDBNet(
            RRDBNetConfig(
                num_features=8, num_blocks=1, growth_channels=4, batch_norm=kind == "batch_norm"
            )
        ).double()
    adam, execution = OptimizerConfig(learning_rate=1e-3), Execution(world=world)
    if kind in ("gan", "classes"):
        torch.manual_seed(2)
        if kind == "gan":
            config = VGGDiscriminatorConfig(patch_size=32, num_features=4)
            discriminator = VGGDiscriminator(config).double()
        else:
            config = ClassDiscriminatorConfig(patch_size=32, num_features=4, num_classes=3)
            discriminator = ClassDiscriminator(config).double()
        step = GanStep(
            generator, discriminator, torch.nn.MSELoss(), ADVERSARIAL["relativistic_average"],
            weights=LossWeights(adversarial=1.0, classification=1.0), generator_optimizer=adam,
            discriminator_optimizer=adam, ema=0.5, execution=execution,
        )
    else:
        step = PixelStep(generator, adam, ema=0.5, execution=execution)
    torch.manual_seed(3)
    for number in range(4):
        lr, hr = torch.rand(4, 3, 8, 8).double(), torch.rand(4, 3, 32, 32).double()
        if number == 2:
            hr[3] *= float("nan")  # in the last process's share alone
        share = world.local_slice(4)
        mine = slice(share.start, share.stop)
        seen = torch.rand(4, 3, 8, 8).double()[mine] if kind == "classes" else None
        terms = step(Pair(lr=lr[mine], hr=hr[mine], semantic_map=seen), 1.0)
        values = world.mean(torch.stack([term.double() for term in terms.values()]))
        if rank == 0:
            # as validation does: by this process alone, of images of its own
            with torch.no_grad():
                measured = step.ema.network(lr[:1], *(() if seen is None else (seen[:1],))).mean()
            print(
                *(f"{name}={value:.9f}" for name, value in zip(terms, values.tolist())),
                f"measured={measured:.9f}",
            )
    state = {name: part.state_dict() for name, part in step.state().items()}
    torch.save(state, f"{folder}/{kind}-{size}-{rank}.pt")


for kind in sys.argv[4:]:
    train(kind)
assert world.all_reduce_max(rank) == size - 1
if size > 1:
    dist.destroy_process_group()
"""
KINDS = ("pixel", "batch_norm", "srresnet", "gan", "classes")
STEPS = 4
Printed = dict[tuple[str, int], list[str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Printed]:
    """States of one process and of two, and what the first of them printed: (folder, lines)."""
    folder = tmp_path_factory.mktemp("distributed")
    processes = {
        (size, rank): subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(size), str(folder), *KINDS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for size in (1, 2)
        for rank in range(size)
    }
    printed = {which: process.communicate(timeout=600) for which, process in processes.items()}
    for which, process in processes.items():
        assert process.returncode == 0, printed[which][1]
    found = {}
    for size in (1, 2):
        lines = printed[size, 0][0].splitlines()
        assert len(lines) == STEPS * len(KINDS)
        for number, kind in enumerate(KINDS):
            found[kind, size] = lines[number * STEPS : (number + 1) * STEPS]
    return folder, found


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_do_what_one_does_on_the_same_batches(
    trained: tuple[Path, Printed], kind: str
) -> None:
    folder, printed = trained
    alone, together = printed[kind, 1], printed[kind, 2]
    for one, two in zip(alone, together, strict=True):
        for left, right in zip(one.split(), two.split(), strict=True):
            name, value = left.split("=")
            assert float(right.split("=")[1]) == pytest.approx(
                float(value), abs=1e-7, nan_ok=True
            ), name
    # what is not finite in one share is skipped by all
    assert "skipped=1.000000000" in together[2]
    expected = tensors(torch.load(folder / f"{kind}-1-0.pt"))
    for rank in (0, 1):
        found = tensors(torch.load(folder / f"{kind}-2-{rank}.pt"))
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            # a relativistic loss moves the last bias by rounding alone, which Adam blows up
            if not key.endswith("classifier.3.bias") and "optimizer" not in key:
                assert torch.allclose(tensor, found[key], atol=1e-7), key


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert World(rank=1, size=2).local_slice(6) == range(3, 6)
    with pytest.raises(ValueError, match="batch_size 5 cannot be split over 2 processes"):
        World(rank=0, size=2).local_slice(5)
