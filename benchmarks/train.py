"""Steps of both stages by ours, another build, and BasicSR's networks, losses and updates.

The methods take turns in separate processes. `paper` is RRDB 64/23/32 at HR patches of 128, batches
of 4 on a CPU and 16 on a GPU. If bf16 is emulated, its rows of `paper` are omitted: they take half
an hour.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.limits import CUDA, DEVICE, conv_limit, flops
from benchmarks.peers import basicsr
from benchmarks.processes import MethodProcess, serve
from benchmarks.recipes import BATCH, RECIPES, Recipe
from benchmarks.timing import AsJson, Rounds, Work, compare, machine, print_results
from esrgan_core.data.sampling import Pair
from esrgan_core.devices import has_native_bf16
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.memory import keep_freed_memory
from esrgan_core.models.rrdb import RRDBNet

ADAM = OptimizerConfig(learning_rate=1e-4, betas=(0.9, 0.99))
OTHER = "the other build"


def peer(recipe: Recipe, stage: int) -> Work:
    """BasicSR's `optimize_parameters` on networks as its options build them."""
    arch, losses = basicsr("archs.rrdbnet_arch"), basicsr("losses.basic_loss")
    model = basicsr("models.sr_model").SRModel
    if stage == 2:
        model = basicsr("models.esrgan_model").ESRGANModel
    host: Any = model.__new__(model)
    host.opt = {"dist": False}
    shape = recipe.generator
    sizes = (shape.num_features, shape.num_blocks, shape.growth_channels)
    host.net_g = arch.RRDBNet(3, 3, 4, *sizes).to(DEVICE)
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
    pair = recipe.batch(stage)
    host.lq, host.gt = pair.lr.contiguous(), pair.hr.contiguous()
    return lambda: host.optimize_parameters(1)


def ours(recipe: Recipe, stage: int, execution: Execution) -> Callable[[Pair], object]:
    """Our step."""
    if not CUDA:
        keep_freed_memory()
    generator = RRDBNet(recipe.generator)
    step: PixelStep | GanStep
    if stage == 1:
        step = PixelStep(generator, ADAM, ema=0.999, execution=execution)
    else:
        step = GanStep(
            generator,
            recipe.discriminator(),
            recipe.perceptual(),
            ADVERSARIAL["relativistic_average"],
            weights=LossWeights(),
            generator_optimizer=ADAM,
            discriminator_optimizer=ADAM,
            ema=0.999,
            execution=execution,
        )
    return lambda pair: step(pair, 1.0)


def executions(*, native_bf16: bool, sample: bool) -> dict[str, Execution]:
    """Executions by name; `auto` is the default of a training."""
    fp32 = Execution(device=DEVICE)
    bf16 = replace(fp32, precision="bf16")
    found = {"fp32": fp32}
    if native_bf16 or sample:
        found["bf16"] = bf16
    found["auto"] = bf16 if native_bf16 else fp32
    if native_bf16 and not sample:
        found["bf16, checkpointing"] = replace(bf16, checkpointing=True)
    if CUDA:
        found["bf16, CUDA graphs"] = replace(bf16, compile="reduce-overhead")
    return found


def methods(name: str, stage: int, *, native_bf16: bool = True) -> dict[str, Callable[[], Work]]:
    """The methods by name, not yet built."""
    recipe = RECIPES[name]

    def built(execution: Execution) -> Work:
        step, pair = ours(recipe, stage, execution), recipe.batch(stage)
        return lambda: step(pair)

    found: dict[str, Callable[[], Work]] = {
        f"ours, {label}": partial(built, execution)
        for label, execution in executions(native_bf16=native_bf16, sample=name == "sample").items()
    }
    if stage == 2 and name == "sample":
        return found  # BasicSR's discriminator knows no patches of 64
    return {"BasicSR": lambda: peer(recipe, stage), **found}


def step_flops(recipe: Recipe, stage: int) -> float:
    """FLOP of a step; a backward pass costs a forward pass per gradient.

    Generator: forward, backward to inputs and weights. Discriminator: forward for real and fake,
    backward to weights for both and to the pixels of fake. Perceptual network: forward for both,
    backward to the pixels.
    """
    pair = recipe.batch(stage)
    generator = flops(RRDBNet(recipe.generator).to(DEVICE), pair.lr)
    if stage == 1:
        return 3 * generator
    discriminator = flops(recipe.discriminator().to(DEVICE), pair.hr)
    features = recipe.perceptual().to(DEVICE)
    perceptual = flops(features.features, pair.hr)  # type: ignore[arg-type]  # its network
    return 3 * generator + 7 * discriminator + 3 * perceptual


def measure(
    recipes: Sequence[str], stages: Sequence[int], rounds: int, other: Path | None
) -> dict[str, Any]:
    """The results of some stages."""
    native = has_native_bf16(DEVICE)
    if not CUDA:
        keep_freed_memory()
    kinds = (torch.float32, torch.bfloat16) if native else (torch.float32,)
    limits = {str(dtype): conv_limit(dtype, BATCH) for dtype in kinds}
    results: dict[str, Any] = {
        "machine": machine(),
        "native_bf16": native,
        "conv_limit_gflops": {name: round(limit / 1e9) for name, limit in limits.items()},
    }
    for name in recipes:
        for stage in stages:
            running = {
                label: MethodProcess("benchmarks.train", f"{name}:{stage}:{label}")
                for label in methods(name, stage, native_bf16=native)
            }
            if other is not None:
                for label in ("fp32", "bf16") if native else ("fp32",):
                    running[f"{OTHER}, {label}"] = MethodProcess(
                        "benchmarks.train", f"{name}:{stage}:ours, {label}", checkout=other
                    )
            title = f"{name}, stage {stage}, batch {RECIPES[name].batches[stage - 1]}"
            seconds = compare(title, running, rounds=rounds)
            operations = step_flops(RECIPES[name], stage)
            results[f"{name}_stage_{stage}"] = {
                label: figures(label, seconds, operations, limits) for label in seconds
            }
            for label, method in running.items():
                results[f"{name}_stage_{stage}"][label]["peak_gib"] = round(method.end(), 2)
    return results


def figures(
    name: str, seconds: Mapping[str, float], operations: float, limits: Mapping[str, float]
) -> dict[str, float]:
    """The results of one method: speed relative to others and to the machine's limit."""
    found = {"seconds": round(seconds[name], 4)}
    if "BasicSR" in seconds:
        found["times_basicsr"] = round(seconds["BasicSR"] / seconds[name], 3)
    half = "bf16" in name or ("auto" in name and str(torch.bfloat16) in limits)
    before = f"{OTHER}, {'bf16' if half else 'fp32'}"
    if before in seconds:
        found["times_other_build"] = round(seconds[before] / seconds[name], 3)
    found["gflops"] = round(operations / seconds[name] / 1e9)
    limit = limits.get(str(torch.bfloat16 if half else torch.float32))
    if limit is not None:
        found["of_conv_limit"] = round(operations / seconds[name] / limit, 3)
    return found


def main(
    rounds: Rounds = 7,
    recipe: Annotated[str, typer.Option(help="paper or sample; empty for both")] = "",
    stage: Annotated[int, typer.Option(min=0, max=2, help="1 or 2; 0 for both")] = 0,
    other: Annotated[
        Path | None, typer.Option(help="checkout of another build, with its .venv")
    ] = None,
    as_json: AsJson = False,
    method: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print seconds per step, ratios, shares of the machine's limit, and peak memory."""
    if method:
        name, number, label = method.split(":", 2)
        serve(methods(name, int(number), native_bf16=has_native_bf16(DEVICE))[label])
        return
    results = measure(
        (recipe,) if recipe else tuple(RECIPES), (stage,) if stage else (1, 2), rounds, other
    )
    print_results(results, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
