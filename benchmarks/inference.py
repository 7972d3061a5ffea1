"""Upscaling by ours, Real-ESRGAN's and BasicSR's own code, from 8-bit pixels to 8-bit pixels.

The methods take turns in separate processes; RRDB 64/23/32 x4. Weights are the published ones of
`ESRGAN_TEST_DATA`, otherwise random. `--memory` measures the peak by size of the image.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.limits import DEVICE, conv_limit, flops
from benchmarks.peers import basicsr, realesrgan
from benchmarks.processes import MethodProcess, peak_memory, serve
from benchmarks.timing import AsJson, Rounds, compare, machine, print_results
from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.resize import resize_pixels
from esrgan_core.io.rgb import read_rgb
from esrgan_core.memory import free_memory
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.weights import load_generator, save_layout

MODULE = "benchmarks.inference"
SIDES = (128, 256)
SAMPLE = RRDBNetConfig(num_features=32, num_blocks=2, growth_channels=16, init="basicsr")
MEGAPIXELS = {"64/23/32": (0.25, 1.0, 4.0), "32/2/16, the sample's": (0.25, 4.0, 12.0, 24.0)}
TOP = 255


def network() -> RRDBNet:
    """The generator that all methods run."""
    if data := os.environ.get("ESRGAN_TEST_DATA"):
        found = load_generator(Path(data) / "weights" / "RealESRGAN_x4plus_fp16.pth")
        assert isinstance(found, RRDBNet)
        return found
    torch.manual_seed(0)
    return RRDBNet(RRDBNetConfig(init="basicsr")).eval()


def sample_image(side: int) -> np.ndarray:
    """A square photograph of this size, or noise with its smoothness."""
    if data := os.environ.get("ESRGAN_TEST_DATA"):
        photo = read_rgb(Path(data) / "photos" / "kodak" / "kodim08.png")
        return np.ascontiguousarray(photo[100 : 100 + side, 200 : 200 + side])
    coarse = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3)).astype(np.uint8)
    return resize_pixels(coarse, 8)


def peers_network() -> torch.nn.Module:
    """BasicSR's RRDBNet with the same weights."""
    theirs = basicsr("archs.rrdbnet_arch").RRDBNet(3, 3, num_feat=64, num_block=23, num_grow_ch=32)
    theirs.load_state_dict(network().state_dict())
    return theirs.eval().to(DEVICE)


def by_realesrgan(side: int) -> Callable[[], np.ndarray]:
    """`RealESRGANer.enhance`, as its script calls it, in fp32."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        save_layout(path, network().state_dict(), "basicsr")
        host = realesrgan("utils").RealESRGANer(
            scale=4, model_path=str(path), model=peers_network(), tile=0, pre_pad=0, half=False,
            device=DEVICE,
        )  # fmt: skip
    bgr = np.ascontiguousarray(sample_image(side)[..., ::-1])
    return lambda: host.enhance(bgr, outscale=4)[0][..., ::-1]


def by_basicsr(side: int) -> Callable[[], np.ndarray]:
    """BasicSR's network and conversions."""
    theirs, image = peers_network(), basicsr("utils.img_util")
    bgr = np.ascontiguousarray(sample_image(side)[..., ::-1])

    @torch.no_grad()
    def work() -> np.ndarray:
        lr = image.img2tensor(bgr.astype(np.float32) / TOP, bgr2rgb=True, float32=True)
        sr = theirs(lr[None].to(DEVICE))
        result: np.ndarray = image.tensor2img(sr, rgb2bgr=True)
        return result[..., ::-1]

    return work


def ours(precision: str) -> Callable[[int], Callable[[], np.ndarray]]:
    """`Upscaler`, as `esrgan upscale` calls it."""

    def make(side: int) -> Callable[[], np.ndarray]:
        config = UpscaleConfig(device=DEVICE.type, precision=precision)  # type: ignore[arg-type]
        upscaler = Upscaler(network(), config, free_memory=free_memory)
        lr = DecodedImage(pixels=sample_image(side))
        return lambda: upscaler(lr).pixels

    return make


METHODS: Mapping[str, Callable[[int], Callable[[], np.ndarray]]] = {
    "Real-ESRGAN": by_realesrgan,
    "BasicSR": by_basicsr,
    "ours, fp32": ours("fp32"),
    "ours, bf16": ours("bf16"),
}


def measure(rounds: int) -> dict[str, Any]:
    """All figures of all sizes."""
    results: dict[str, Any] = {"machine": machine(), "weights": _weights()}
    for side in SIDES:
        running = {name: MethodProcess(MODULE, f"{side}:{name}") for name in METHODS}
        seconds = compare(f"LR {side}x{side}", running, rounds=rounds)
        peaks = {name: method.end() for name, method in running.items()}
        operations = flops(network().to(DEVICE), torch.zeros(1, 3, side, side, device=DEVICE))
        limits = {
            name: conv_limit(kind, 1, side, backward=False)
            for name, kind in {"fp32": torch.float32, "bf16": torch.bfloat16}.items()
        }
        exact = METHODS["BasicSR"](side)().astype(np.float64)
        results[f"lr_{side}"] = {
            name: {
                "seconds": round(time, 3),
                "times_realesrgan": round(seconds["Real-ESRGAN"] / time, 3),
                "times_basicsr": round(seconds["BasicSR"] / time, 3),
                "of_conv_limit": round(
                    operations / time / limits["bf16" if "bf16" in name else "fp32"], 3
                ),
                "peak_kib_per_lr_pixel": round(peaks[name] * 2**20 / side**2, 2),
                **_difference(METHODS[name](side)().astype(np.float64), exact),
            }
            for name, time in seconds.items()
        }
    return results


def _weights() -> str:
    return "published x4plus" if os.environ.get("ESRGAN_TEST_DATA") else "random"


def _difference(found: np.ndarray, exact: np.ndarray) -> dict[str, float | None]:
    off = np.abs(found - exact)
    mse = float((off**2).mean())
    return {
        "levels_changed": round(float((off > 0).mean()), 6),
        "largest_change": float(off.max()),
        "psnr_to_fp32": round(10 * float(np.log10(TOP**2 / mse)), 1) if mse else None,
    }


def measure_memory() -> dict[str, Any]:
    """Peak of memory per LR pixel, by size, each in a process of its own."""
    results: dict[str, Any] = {"machine": machine()}
    for name, sizes in MEGAPIXELS.items():
        for size in sizes:
            command = [sys.executable, "-m", MODULE, "--method", f"memory:{name}:{size}"]
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
        RRDBNet(config).eval(),
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


def main(
    rounds: Rounds = 5,
    memory: Annotated[bool, typer.Option("--memory", help="peaks by size, nothing else")] = False,
    as_json: AsJson = False,
    method: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print seconds, ratios, shares of the machine's limit, peaks and differences from fp32."""
    if method.startswith("memory:"):
        _, name, size = method.split(":")
        _memory(name, float(size))
        return
    if method:
        side, _, name = method.partition(":")
        serve(partial(METHODS[name], int(side)))
        return
    print_results(measure_memory() if memory else measure(rounds), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
