"""Peak memory of upscaling per LR pixel, by size of the image, each in a process of its own."""

import json
import os
import subprocess
import sys
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.inference import SAMPLE
from benchmarks.processes import peak_memory
from benchmarks.timing import AsJson, machine, print_results
from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.memory import free_memory
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import network_state

MODULE = "benchmarks.inference_memory"
MEGAPIXELS = {"64/23/32": (0.25, 1.0, 4.0), "32/2/16, the sample's": (0.25, 4.0, 12.0, 24.0)}


def measure_memory() -> dict[str, Any]:
    """Peak of memory per LR pixel, by size, each in a process of its own."""
    results: dict[str, Any] = {"machine": machine()}
    for name, sizes in MEGAPIXELS.items():
        for size in sizes:
            command = [sys.executable, "-m", MODULE, "--method", f"{name}:{size}"]
            # as the command line has it
            env = os.environ | {"THP_MEM_ALLOC_ENABLE": "1"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            found = json.loads(done.stdout.splitlines()[-1])
            print(name, size, found, file=sys.stderr)
            results.setdefault(name, {})[f"{size:g}_megapixels"] = found
    return results


def _memory(name: str, size: float) -> None:
    """Upscale an image of a size in megapixels, and print the peak memory."""
    config = SAMPLE if "2/16" in name else RRDBNetConfig(init="basicsr")
    height = int((size * 1e6 / 1.5) ** 0.5)
    lr = np.zeros((height, int(height * 1.5), 3), dtype=np.uint8)
    lr[...] = np.arange(lr.shape[1])[:, None] % 256
    messages: list[str] = []
    upscaler = Upscaler(
        network_state(RRDBNet(config).eval()),
        UpscaleConfig(device="cpu", precision="fp32"),
        free_memory=free_memory,
        log=messages.append,
    )
    upscaler(DecodedImage(pixels=lr[:64, :64]))
    before = peak_memory()
    result = upscaler(DecodedImage(pixels=lr))
    peak = (peak_memory() - before) * 2**20
    pixels = lr.shape[0] * lr.shape[1]
    output = result.pixels.nbytes / 2**10
    figures = {
        "kib_per_lr_pixel": round(peak / pixels, 2),
        "of_it_the_result": round(output / pixels, 3),
        "messages": messages,
    }
    print(json.dumps(figures))


def main(as_json: AsJson = False, method: Annotated[str, typer.Option(hidden=True)] = "") -> None:
    """Print KiB per LR pixel."""
    if method:
        name, _, size = method.rpartition(":")
        _memory(name, float(size))
        return
    print_results(measure_memory(), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
