"""The faster of the installed engines for a network in fp32, by a test."""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from esrgan_core.inference.bf16 import upscale_values
from esrgan_core.inference.engines.engine import Engine
from esrgan_core.inference.engines.ncnn_engine import NcnnEngine
from esrgan_core.inference.engines.torch_engine import TorchEngine
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


def supports_ncnn(network: Generator, device: torch.device) -> bool:
    """Whether ncnn can compute the network in place of torch on this device."""
    return isinstance(network, RRDBNet) and device.type == "cpu"


def build_ncnn(network: Generator, device: torch.device) -> NcnnEngine:
    """The engine of ncnn with as many threads as torch has.

    Raises:
        ValueError: if the network is no RRDBNet, or the device is no CPU.
        ModuleNotFoundError: if ncnn is not installed.
    """
    if not isinstance(network, RRDBNet):
        raise ValueError(
            f"the engine ncnn computes RRDBNet only, not {type(network).__name__}; use torch"
        )
    if device.type != "cpu":
        raise ValueError(f"the engine ncnn computes on the CPU, not on {device}; use torch")
    state = {name: value.float().cpu().numpy() for name, value in network.state_dict().items()}
    return NcnnEngine(network.config, state, threads=torch.get_num_threads())


def probe_ncnn(network: RRDBNet) -> EngineProbe:
    """Compare both engines on a small random image; takes seconds with a large network."""
    engines = TorchEngine(network), build_ncnn(network, torch.device("cpu"))
    lr = np.random.default_rng(0).random((3, PROBE, PROBE), dtype=np.float32)
    results = [upscale_values(engine, lr) for engine in engines]
    times = [[_seconds(engine, lr) for engine in engines] for _ in range(ROUNDS)]
    # the minimum is least disturbed by other programs
    slow, fast = (min(column) for column in zip(*times, strict=True))
    difference = float(np.abs(results[0] - results[1]).max())
    return EngineProbe(speedup=slow / fast, difference=difference)


def _seconds(engine: Engine, lr: np.ndarray) -> float:
    start = time.perf_counter()
    upscale_values(engine, lr)
    return time.perf_counter() - start
