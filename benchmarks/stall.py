"""Time that training waits for patches: steps with the loader and steps on one batch.

Stage 1 in bf16 with RRDB 64/23/32, HR patches of 128, batches of 4 on a CPU and 16 on a GPU, read
from a pair store of generated 2K images.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.limits import CUDA, DEVICE
from benchmarks.loader import build_store
from benchmarks.metrics import images
from benchmarks.recipes import BATCH, RECIPES
from benchmarks.timing import AsJson, machine, print_results
from benchmarks.train import ours
from esrgan_core.data.loading import load_batches
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.engine.execution import Compile, Execution

WARM_UP = 5
RECIPE = RECIPES["paper"]


def main(
    steps: Annotated[int, typer.Option(help="steps that each is timed for")] = 30,
    as_json: AsJson = False,
) -> None:
    """Print steps per second with and without the loader, and the share of time spent waiting."""
    compile_: Compile = "reduce-overhead" if CUDA else "off"
    step = ours(RECIPE, 1, Execution(device=DEVICE, precision="bf16", compile=compile_))
    with tempfile.TemporaryDirectory() as folder:
        files = images(Path(folder), None, 4)
        sampler = PatchSampler(
            build_store(Path(folder) / "store", files),
            patch_size=RECIPE.patches[0],
            batch_size=BATCH,
            seed=0,
        )
        fixed, waits, whole = [], [], []
        same = RECIPE.batch(1)
        with load_batches(sampler, 1, positions=range(BATCH), device=DEVICE) as drawn:
            for number in range(WARM_UP + steps):
                times = [time.perf_counter()]
                step(same)
                _finish(times)
                pair = next(drawn)
                times.append(time.perf_counter())
                step(pair)
                _finish(times)
                if number >= WARM_UP:
                    fixed.append(times[1] - times[0])
                    waits.append(times[2] - times[1])
                    whole.append(times[3] - times[1])
    results = {
        "machine": machine(),
        "batch": BATCH,
        "steps_per_second": {
            "one batch": round(1 / median(fixed), 2),
            "with the loader": round(1 / median(whole), 2),
        },
        "waiting_ms_per_step": round(1000 * median(waits), 3),
        "share_of_time": round(median(waits) / median(whole), 4),
    }
    print_results(results, as_json=as_json)


def _finish(times: list[float]) -> None:
    if CUDA:
        torch.cuda.synchronize()
    times.append(time.perf_counter())


if __name__ == "__main__":
    typer.run(main)
