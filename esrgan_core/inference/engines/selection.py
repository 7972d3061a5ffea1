"""The engines of a network: those that the user asks for, or the fastest installed."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from esrgan_core.devices import (
    PrecisionChoice,
    has_native_bf16,
    resolve_device,
    resolve_precision,
)
from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.ncnn_engine import NcnnEngine, is_installed
from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.engines.vulkan import parse_vulkan
from esrgan_core.inference.tiling import upscale_values
from esrgan_core.models import Generator
from esrgan_core.models.rrdb import RRDBNet

EngineName = Literal["torch", "ncnn"]
EngineChoice = Literal["auto", "torch", "ncnn"]
"""`auto`: ncnn where it is installed and a test finds it faster and accurate."""

PROBE = 64
"""LR pixels a side of the test."""
ROUNDS = 3
MIN_SPEEDUP = 1.1
MAX_DIFFERENCE = 5e-4
"""As a fraction of white."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineProbe:
    """Results of a test of ncnn."""

    speedup: float
    """Time of torch over that of ncnn."""
    difference: float
    """The largest difference of the results, as a fraction of white."""

    @property
    def engine(self) -> EngineName:
        """The engine to use."""
        use_ncnn = self.speedup >= MIN_SPEEDUP and self.difference <= MAX_DIFFERENCE
        return "ncnn" if use_ncnn else "torch"


def probe_ncnn(network: RRDBNet) -> EngineProbe:
    """Compare ncnn with torch on a small random image; takes seconds with a large network."""
    engines = TorchEngine(network), build_ncnn(network)
    lr = np.random.default_rng(0).random((3, PROBE, PROBE), dtype=np.float32)
    results = [upscale_values(engine, lr) for engine in engines]
    times = [[_seconds(engine, lr) for engine in engines] for _ in range(ROUNDS)]
    # the minimum is least disturbed by other programs
    slow, fast = (min(column) for column in zip(*times, strict=True))
    difference = float(np.abs(results[0] - results[1]).max())
    return EngineProbe(speedup=slow / fast, difference=difference)


def _seconds(engine: Engine, lr: Pixels) -> float:
    start = time.perf_counter()
    upscale_values(engine, lr)
    return time.perf_counter() - start


def resolve_engine(
    choice: EngineChoice,
    network: Generator,
    *,
    device: str,
    precision: PrecisionChoice,
    probe: Callable[[RRDBNet], EngineProbe] = probe_ncnn,
) -> EngineName:
    """The engine to compute with; `probe` runs only if `auto` depends on it.

    Raises:
        ValueError: if the device cannot be used.
    """
    if choice != "auto":
        return choice
    if parse_vulkan(device) is not None:
        return "ncnn"
    resolved = resolve_device(device)
    if resolved.type != "cpu" or resolve_precision(precision, resolved) == "bf16":
        return "torch"
    if not (isinstance(network, RRDBNet) and is_installed()):
        return "torch"
    return probe(network).engine


def build_ncnn(network: Generator, *, gpu: int | None = None, half: bool = False) -> NcnnEngine:
    """A network in ncnn, on the CPU with as many threads as torch has.

    Raises:
        ValueError: if the network is no RRDBNet.
        ModuleNotFoundError: if ncnn is not installed.
        EngineError: if the device fails.
    """
    if not isinstance(network, RRDBNet):
        raise ValueError(
            f"ncnn computes RRDBNet only, not {type(network).__name__}; use the engine torch and "
            "one of its devices"
        )
    state = {name: value.float().cpu().numpy() for name, value in network.state_dict().items()}
    threads = torch.get_num_threads()
    return NcnnEngine(network.config, state, threads=threads, gpu=gpu, half=half)


@dataclass(kw_only=True, slots=True)
class Engines:
    """The engines of one network."""

    torch: TorchEngine
    """In full precision; also used where another engine fails."""
    full: Engine
    """In full precision."""
    half: Callable[[], Engine] | None
    """Builds the engine in half precision, if that may be used."""
    half_name: str


def build_engines(
    network: Generator, *, device: str, precision: PrecisionChoice, engine: EngineName
) -> Engines:
    """Copy a network, which is in eval mode, to its device.

    Raises:
        ValueError: if the device cannot be used, or not with this engine, precision or network.
        ModuleNotFoundError: if ncnn is needed and not installed.
        EngineError: if the device fails.
    """
    gpu = parse_vulkan(device)
    resolved = resolve_device("cpu" if gpu is not None else device)
    copy: Generator = deepcopy(network).to(resolved)
    in_torch = TorchEngine(copy.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    if gpu is None and engine == "torch":
        may_be_half = precision == "bf16" or (precision == "auto" and has_native_bf16(resolved))
        return Engines(
            torch=in_torch,
            full=in_torch,
            half=(lambda: TorchEngine(deepcopy(copy).to(torch.bfloat16))) if may_be_half else None,
            half_name="bf16",
        )
    if precision == "bf16":
        raise ValueError("ncnn does not compute in bf16; use the precision auto or fp32")
    if resolved.type != "cpu":
        raise ValueError(f"ncnn computes on cpu or vulkan, not on {device}; use the engine torch")
    may_be_half = gpu is not None and precision == "auto"
    return Engines(
        torch=in_torch,
        full=build_ncnn(network, gpu=gpu),
        half=(lambda: build_ncnn(network, gpu=gpu, half=True)) if may_be_half else None,
        half_name="fp16",
    )
