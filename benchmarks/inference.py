"""Upscaling by ours and by other programs and engines, from 8-bit pixels to 8-bit pixels.

The methods take turns in separate processes. `paper` is RRDB 64/23/32 x4, whose weights are the
published ones of `ESRGAN_TEST_DATA`, otherwise random; `sample` is the network of params.yaml. The
engines ncnn, OpenVINO and ONNX Runtime get the whole image at once.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.limits import CUDA, DEVICE, conv_limit, flops
from benchmarks.peers import basicsr, openvino, realesrgan
from benchmarks.processes import MethodProcess, serve
from benchmarks.timing import AsJson, Rounds, compare, machine, print_results
from esrgan_core.devices import has_native_bf16
from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.selection import build_ncnn
from esrgan_core.inference.export import export_onnx
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage, as_type
from esrgan_core.io.resize import resize_pixels
from esrgan_core.io.rgb import read_rgb
from esrgan_core.memory import free_memory
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator, network_state, save_layout

MODULE = "benchmarks.inference"
SIDES = {"paper": (128, 256), "sample": (256,)}
OTHER = "the other build"
ENGINES = ("ncnn", "OpenVINO", "ONNX Runtime")
SAMPLE = RRDBNetConfig(num_features=32, num_blocks=2, growth_channels=16, init="basicsr")
PEERS = {
    "realesrgan": "Real-ESRGAN",
    "basicsr": "BasicSR",
    "ncnn": "ncnn",
    "other_build": OTHER,
}
TOP = 255


def network(name: str = "paper") -> RRDBNet:
    """The generator that all methods run."""
    torch.manual_seed(0)
    if name == "sample":
        return RRDBNet(SAMPLE).eval()
    if data := os.environ.get("ESRGAN_TEST_DATA"):
        found = load_generator(Path(data) / "weights" / "RealESRGAN_x4plus_fp16.pth")
        assert isinstance(found, RRDBNet)
        return found
    return RRDBNet(RRDBNetConfig(init="basicsr")).eval()


def sample_image(side: int) -> np.ndarray:
    """A square photograph of this size, or noise with its smoothness."""
    if data := os.environ.get("ESRGAN_TEST_DATA"):
        photo = read_rgb(Path(data) / "photos" / "kodak" / "kodim08.png")
        return np.ascontiguousarray(photo[100 : 100 + side, 200 : 200 + side])
    coarse = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3)).astype(np.uint8)
    return resize_pixels(coarse, 8)


def peers_network(name: str) -> torch.nn.Module:
    """BasicSR's RRDBNet with the same weights."""
    shape = network(name).config
    sizes = (shape.num_features, shape.num_blocks, shape.growth_channels)
    theirs = basicsr("archs.rrdbnet_arch").RRDBNet(3, 3, 4, *sizes)
    theirs.load_state_dict(network(name).state_dict())
    return theirs.eval().to(DEVICE)


def by_realesrgan(name: str, side: int) -> Callable[[], np.ndarray]:
    """`RealESRGANer.enhance`, as its script calls it, in fp32."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        save_layout(path, network(name).state_dict(), "basicsr")
        host = realesrgan("utils").RealESRGANer(
            scale=4, model_path=str(path), model=peers_network(name), tile=0, pre_pad=0, half=False,
            device=DEVICE,
        )  # fmt: skip
    bgr = np.ascontiguousarray(sample_image(side)[..., ::-1])
    return lambda: host.enhance(bgr, outscale=4)[0][..., ::-1]


def by_basicsr(name: str, side: int) -> Callable[[], np.ndarray]:
    """BasicSR's network and conversions."""
    theirs, image = peers_network(name), basicsr("utils.img_util")
    bgr = np.ascontiguousarray(sample_image(side)[..., ::-1])

    @torch.no_grad()
    def work() -> np.ndarray:
        lr = image.img2tensor(bgr.astype(np.float32) / TOP, bgr2rgb=True, float32=True)
        sr = theirs(lr[None].to(DEVICE))
        result: np.ndarray = image.tensor2img(sr, rgb2bgr=True)
        return result[..., ::-1]

    return work


def by_ncnn(name: str, side: int) -> Callable[[], np.ndarray]:
    """Ncnn with the whole image."""
    engine = build_ncnn(network_state(network(name)))
    return _by_values(lambda lr: engine.tail(engine.trunk(lr)), side)


def by_openvino(name: str, side: int) -> Callable[[], np.ndarray]:
    """OpenVINO in fp32."""
    with _onnx(name) as path:
        model = openvino().compile_model(
            path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        )
    return _by_values(lambda lr: model(lr[None])[0][0], side)


def by_onnxruntime(name: str, side: int) -> Callable[[], np.ndarray]:
    """ONNX Runtime."""
    from onnxruntime import InferenceSession  # noqa: PLC0415  an extra, slow to import

    with _onnx(name) as path:
        session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return _by_values(lambda lr: session.run(["sr"], {"lr": lr[None]})[0][0], side)


@contextmanager
def _onnx(name: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network(name), path, lambda size, difference: None)
        yield path


def _by_values(run: Callable[[np.ndarray], np.ndarray], side: int) -> Callable[[], np.ndarray]:
    """8-bit pixels through a function of values in [0, 1], channels first."""
    pixels = sample_image(side)

    def work() -> np.ndarray:
        lr = np.ascontiguousarray((pixels / np.float32(TOP)).transpose(2, 0, 1))
        return as_type(run(lr).transpose(1, 2, 0), np.uint8)

    return work


def ours(precision: str, engine: str = "torch") -> Callable[[str, int], Callable[[], np.ndarray]]:
    """`Upscaler`, as `esrgan upscale` calls it."""

    def make(name: str, side: int) -> Callable[[], np.ndarray]:
        config = UpscaleConfig(device=DEVICE.type, precision=precision, engine=engine)  # type: ignore[arg-type]
        upscaler = Upscaler(network_state(network(name)), config, free_memory=free_memory)
        lr = DecodedImage(pixels=sample_image(side))
        return lambda: upscaler(lr).pixels

    return make


METHODS: Mapping[str, Callable[[str, int], Callable[[], np.ndarray]]] = {
    "Real-ESRGAN": by_realesrgan,
    "BasicSR": by_basicsr,
    "ncnn": by_ncnn,
    "OpenVINO": by_openvino,
    "ONNX Runtime": by_onnxruntime,
    "ours, fp32": ours("fp32"),
    "ours, fp32 by ncnn": ours("fp32", "ncnn"),
    "ours, bf16": ours("bf16"),
}


def methods() -> Mapping[str, Callable[[str, int], Callable[[], np.ndarray]]]:
    """The methods of this machine: no CPU engines next to a GPU, no emulated bf16."""
    return {
        name: make
        for name, make in METHODS.items()
        if not (CUDA and (name in ENGINES or "ncnn" in name))
        and not ("bf16" in name and not has_native_bf16(DEVICE))
    }


def measure(rounds: int, other: Path | None) -> dict[str, Any]:
    """All figures of all sizes."""
    results: dict[str, Any] = {"machine": machine(), "weights": _weights()}
    for name, sides in SIDES.items():
        for side in sides:
            running = {
                label: MethodProcess(MODULE, f"{name}:{side}:{label}") for label in methods()
            }
            if other is not None and name == "paper":
                # earlier builds know this network only
                running[OTHER] = MethodProcess(MODULE, f"{side}:ours, fp32", checkout=other)
            seconds = compare(f"{name}, LR {side}x{side}", running, rounds=rounds)
            peaks = {label: method.end() for label, method in running.items()}
            results[f"{name}_{side}"] = _figures(name, side, seconds, peaks)
    return results


def _figures(
    name: str, side: int, seconds: Mapping[str, float], peaks: Mapping[str, float]
) -> dict[str, Any]:
    """Results of every method: speed relative to others and to the machine's limit."""
    operations = flops(network(name).to(DEVICE), torch.zeros(1, 3, side, side, device=DEVICE))
    limits = {
        kind: conv_limit(dtype, 1, side, backward=False)
        for kind, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items()
        if kind == "fp32" or has_native_bf16(DEVICE)
    }
    exact = METHODS["BasicSR"](name, side)().astype(np.float64)
    results: dict[str, dict[str, Any]] = {}
    for label, time in seconds.items():
        results[label] = {
            "seconds": round(time, 3),
            **{
                f"times_{key}": round(seconds[peer] / time, 3)
                for key, peer in PEERS.items()
                if peer in seconds
            },
            "of_conv_limit": round(
                operations / time / limits["bf16" if "bf16" in label else "fp32"], 3
            ),
            "peak_kib_per_lr_pixel": round(peaks[label] * 2**20 / side**2, 2),
        }
        if label in METHODS:
            found = METHODS[label](name, side)().astype(np.float64)
            results[label] |= _difference(found, exact)
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


def main(
    rounds: Rounds = 5,
    other: Annotated[
        Path | None, typer.Option(help="checkout of another build, with its .venv")
    ] = None,
    as_json: AsJson = False,
    method: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print seconds, ratios, shares of the machine's limit, peaks and differences from fp32."""
    if method:
        name, side, label = method.split(":", 2)
        serve(partial(METHODS[label], name, int(side)))
        return
    print_results(measure(rounds, other), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
