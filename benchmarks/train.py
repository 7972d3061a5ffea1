"""Steps of both stages: ours beside BasicSR's own networks, losses and update code.

One run, taking turns, each contender in a process of its own, so that none profits from another's
settings and peaks of memory are its own; RRDB 64/23/32, HR patches of 128. Batches of 4 on a CPU,
16 on a GPU. `--json` prints all figures for a file in `benchmarks/results/`.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Annotated, Any

import torch
import typer
from torch import nn

from benchmarks.limits import conv_limit, flops
from benchmarks.peers import basicsr
from benchmarks.processes import Contender, compete
from benchmarks.timing import machine, side_by_side
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.execution import Execution, OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.features.sequential import SequentialFeatures
from esrgan_core.features.vgg import vgg_layers
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.memory import keep_freed_memory
from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig

PATCH = 128
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
BATCH = 16 if CUDA else 4
ADAM = OptimizerConfig(learning_rate=1e-4, betas=(0.9, 0.99))
Work = Callable[[], object]


def batch() -> Pair:
    """Random patches, channels_last as the loader gives them."""
    torch.manual_seed(0)
    lr, hr = torch.rand(BATCH, PATCH // 4, PATCH // 4, 3), torch.rand(BATCH, PATCH, PATCH, 3)
    return Pair(lr=lr.permute(0, 3, 1, 2).to(DEVICE), hr=hr.permute(0, 3, 1, 2).to(DEVICE))


def peer(stage: int) -> Work:
    """BasicSR's `optimize_parameters` on parts as its options would build them."""
    arch, losses = basicsr("archs.rrdbnet_arch"), basicsr("losses.basic_loss")
    model = basicsr("models.sr_model").SRModel
    if stage == 2:
        model = basicsr("models.esrgan_model").ESRGANModel
    host: Any = model.__new__(model)
    host.opt = {"dist": False}
    host.net_g = arch.RRDBNet(3, 3, num_feat=64, num_block=23, num_grow_ch=32).to(DEVICE)
    host.net_g_ema = deepcopy(host.net_g)
    host.ema_decay = 0.999
    host.optimizer_g = torch.optim.Adam(host.net_g.parameters(), lr=1e-4, betas=(0.9, 0.99))
    host.cri_pix = losses.L1Loss(loss_weight=1.0 if stage == 1 else 1e-2)
    host.cri_perceptual = None
    if stage == 2:
        discriminator = basicsr("archs.discriminator_arch").VGGStyleDiscriminator(3, 64)
        host.net_d = discriminator.to(DEVICE)
        host.optimizer_d = torch.optim.Adam(host.net_d.parameters(), lr=1e-4, betas=(0.9, 0.99))
        perceptual = losses.PerceptualLoss({"conv5_4": 1}, perceptual_weight=1.0, criterion="l1")
        host.cri_perceptual = perceptual.to(DEVICE)
        host.cri_gan = basicsr("losses.gan_loss").GANLoss("vanilla", loss_weight=5e-3).to(DEVICE)
        host.net_d_iters, host.net_d_init_iters = 1, 0
    pair = batch()
    host.lq, host.gt = pair.lr.contiguous(), pair.hr.contiguous()
    return lambda: host.optimize_parameters(1)


def ours(stage: int, execution: Execution) -> Callable[[Pair], object]:
    """Our step, of any batch."""
    if not CUDA:
        keep_freed_memory()
    generator = RRDBNet(RRDBNetConfig(init="basicsr"))
    step: PixelStep | GanStep
    if stage == 1:
        step = PixelStep(generator, ADAM, ema=0.999, execution=execution)
    else:
        step = GanStep(
            generator,
            VGGDiscriminator(VGGDiscriminatorConfig()),
            PerceptualLoss(untrained_vgg19(), {"conv5_4": 1.0}),
            ADVERSARIAL["relativistic_average"],
            weights=LossWeights(),
            generator_optimizer=ADAM,
            discriminator_optimizer=ADAM,
            ema=0.999,
            execution=execution,
        )
    return lambda pair: step(pair, 1.0)


def untrained_vgg19() -> nn.Module:
    """VGG19 up to conv5_4; its weights do not matter to how long it takes."""
    return SequentialFeatures("vgg19", vgg_layers("vgg19"), ["conv5_4"])


def contenders(stage: int) -> dict[str, Callable[[], Work]]:
    """Who takes part, the peer first; each is built only when it is its turn."""
    executions = {
        "ours, fp32": Execution(device=DEVICE),
        "ours, bf16": Execution(device=DEVICE, precision="bf16"),
        "ours, bf16, checkpointing": Execution(device=DEVICE, precision="bf16", checkpointing=True),
    }
    if CUDA:
        executions["ours, bf16, CUDA graphs"] = Execution(
            device=DEVICE, precision="bf16", compile="reduce-overhead"
        )

    def built(execution: Execution) -> Work:
        step, pair = ours(stage, execution), batch()
        return lambda: step(pair)

    return {
        "BasicSR": lambda: peer(stage),
        **{name: partial(built, execution) for name, execution in executions.items()},
    }


def needed(stage: int) -> float:
    """Operations that a step's mathematics takes, in passes; a backward one counts per gradient.

    The generator: forward, and backward to its inputs and weights. The discriminator: forward for
    real and fake, backward to both for its weights, and to fake's pixels for the generator. VGG19:
    forward for both, backward to the pixels.
    """
    pair = batch()
    generator = flops(RRDBNet(RRDBNetConfig()).to(DEVICE), pair.lr)
    if stage == 1:
        return 3 * generator
    discriminator = flops(VGGDiscriminator(VGGDiscriminatorConfig()).to(DEVICE), pair.hr)
    return 3 * generator + 7 * discriminator + 3 * flops(untrained_vgg19().to(DEVICE), pair.hr)


def measure(stages: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """All figures of some stages."""
    if not CUDA:
        keep_freed_memory()
    limits = {str(d): conv_limit(d, BATCH) for d in (torch.float32, torch.bfloat16)}
    results: dict[str, Any] = {
        "machine": machine(),
        "batch": BATCH,
        "conv_limit_gflops": {name: round(limit / 1e9) for name, limit in limits.items()},
    }
    for stage in stages:
        running = {
            name: Contender("benchmarks.train", f"{stage}:{name}") for name in contenders(stage)
        }
        seconds = side_by_side(f"stage {stage}, batch {BATCH}", running, rounds=rounds)
        operations = needed(stage)
        results[f"stage_{stage}"] = {
            name: figures(name, time, seconds["BasicSR"], operations, limits)
            for name, time in seconds.items()
        }
        for name, contender in running.items():
            results[f"stage_{stage}"][name]["peak_gib"] = round(contender.end(), 2)
    return results


def figures(
    name: str, time: float, peers: float, operations: float, limits: Mapping[str, float]
) -> dict[str, float]:
    """What is said of one contender."""
    limit = limits[str(torch.bfloat16 if "bf16" in name else torch.float32)]
    return {
        "seconds": round(time, 4),
        "times_basicsr": round(peers / time, 3),
        "gflops": round(operations / time / 1e9),
        "of_conv_limit": round(operations / time / limit, 3),
    }


def main(
    rounds: Annotated[int, typer.Option(help="turns that each contender takes")] = 7,
    stage: Annotated[int, typer.Option(min=0, max=2, help="1 or 2; 0 for both")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print all figures as JSON")] = False,
    contender: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print seconds per step, ratios, shares of the machine's limit, and peak memory."""
    if contender:
        number, _, name = contender.partition(":")
        compete(contenders(int(number))[name])
        return
    results = measure((stage,) if stage else (1, 2), rounds)
    if as_json:
        print(json.dumps(results, indent=2))
        return
    print(results["machine"], results["conv_limit_gflops"])
    for title in ("stage_1", "stage_2"):
        for name, values in results.get(title, {}).items():
            print(title, name, values)


if __name__ == "__main__":
    typer.run(main)
