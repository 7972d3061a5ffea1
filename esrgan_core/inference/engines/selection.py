"""The engines of a network: those that the user asks for, or the fastest installed.

Torch, whose import takes a second, is imported only where it decides or computes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from esrgan_core.inference.config import EngineChoice, EngineName
from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.ncnn_engine import NcnnEngine, is_installed
from esrgan_core.inference.engines.vulkan import parse_vulkan
from esrgan_core.inference.tiling import upscale_values
from esrgan_core.machine import default_threads, find_machine
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.precision import PrecisionChoice

if TYPE_CHECKING:
    from esrgan_core.inference.engines.torch_engine import TorchEngine

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


def probe_ncnn(network: NetworkState) -> EngineProbe:
    """Compare ncnn with torch on a small random image; takes seconds with a large network."""
    engines = _build_torch(network), build_ncnn(network)
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
    network: NetworkState,
    *,
    device: str,
    precision: PrecisionChoice,
    probe: Callable[[NetworkState], EngineProbe] = probe_ncnn,
) -> EngineName:
    """The engine to compute with; `probe` runs only if `auto` depends on it.

    Raises:
        ValueError: if the device cannot be used.
    """
    if choice != "auto":
        return choice
    if parse_vulkan(device) is not None:
        return "ncnn"
    if not is_fp32_on_cpu(device, precision):
        return "torch"
    if not (isinstance(network.config, RRDBNetConfig) and is_installed()):
        return "torch"
    return probe(network).engine


def is_fp32_on_cpu(device: str, precision: PrecisionChoice) -> bool:
    """Whether networks are computed on the CPU in fp32; torch decides if that is not known.

    Raises:
        ValueError: if the device cannot be used.
    """
    machine = find_machine()
    if machine.is_surely_cpu(device) and machine.is_surely_fp32(precision):
        return True
    from esrgan_core.devices import resolve_device, resolve_precision  # noqa: PLC0415

    resolved = resolve_device(device)
    return resolved.type == "cpu" and resolve_precision(precision, resolved) == "fp32"


def build_ncnn(
    network: NetworkState,
    *,
    threads: int | None = None,
    gpu: int | None = None,
    half: bool = False,
) -> NcnnEngine:
    """A network in ncnn, on the CPU with one thread for each core or with `threads`.

    Raises:
        ValueError: if the network is no RRDBNet.
        ModuleNotFoundError: if ncnn is not installed.
        EngineError: if the device fails.
    """
    if not isinstance(network.config, RRDBNetConfig):
        name = type(network.config).__name__.removesuffix("Config")
        raise ValueError(
            f"ncnn computes RRDBNet only, not {name}; use the engine torch and one of its devices"
        )
    threads = threads or default_threads()
    return NcnnEngine(network.config, network.arrays, threads=threads, gpu=gpu, half=half)


def _build_torch(
    network: NetworkState, device: str = "cpu", threads: int | None = None
) -> "TorchEngine":
    from esrgan_core.inference.engines.torch_engine import build_torch  # noqa: PLC0415

    return build_torch(network, device, threads)


@dataclass(kw_only=True, slots=True)
class Engines:
    """The engines of one network."""

    full: Engine
    """In full precision."""
    fallback: Callable[[], Engine]
    """In full precision by torch, for where `full` fails; built once, when it is needed."""
    half: Callable[[], Engine] | None
    """Builds the engine in half precision, if that may be used."""
    half_name: str


def build_engines(
    network: NetworkState,
    *,
    device: str,
    precision: PrecisionChoice,
    engine: EngineName,
    threads: int | None = None,
) -> Engines:
    """Load a network on a device.

    Raises:
        ValueError: if the device cannot be used, or not with this engine, precision or network.
        ModuleNotFoundError: if ncnn is needed and not installed.
        EngineError: if the device fails.
    """
    gpu = parse_vulkan(device)
    if gpu is None and engine == "torch":
        in_torch = _build_torch(network, device, threads)
        may_be_half = in_torch.may_be_bf16(precision)
        return Engines(
            full=in_torch,
            fallback=lambda: in_torch,
            half=in_torch.in_bf16 if may_be_half else None,
            half_name="bf16",
        )
    if precision == "bf16":
        raise ValueError("ncnn does not compute in bf16; use the precision auto or fp32")
    if gpu is None and not is_fp32_on_cpu(device, "fp32"):
        raise ValueError(f"ncnn computes on cpu or vulkan, not on {device}; use the engine torch")
    may_be_half = gpu is not None and precision == "auto"
    return Engines(
        full=build_ncnn(network, threads=threads, gpu=gpu),
        fallback=cache(lambda: _build_torch(network, threads=threads)),
        half=(lambda: build_ncnn(network, gpu=gpu, half=True)) if may_be_half else None,
        half_name="fp16",
    )
