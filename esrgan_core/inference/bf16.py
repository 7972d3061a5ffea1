"""A network in bf16, if its results are accurate."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float

from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.tiling import upscale_tiled

Values = Float[np.ndarray, "_ _ 3"]
PROBE = 48
"""Pixels a side of the test."""
MAX_ERROR = 32.0
"""Levels of 255, at any pixel of the probe."""
MAX_MEAN_ERROR = 0.75
"""Levels of 255, averaged over the probe. The published x4plus network has a mean error of a third
of a level on a photograph, and up to 11 at single pixels."""


def try_bf16(full: TorchEngine, lr: Pixels) -> tuple[TorchEngine | None, str]:
    """Convert a network to bf16 and test it on the middle of an image.

    Returns:
        (the network in bf16, or None if its result is wrong; a message).
    """
    half = TorchEngine(deepcopy(full.network).to(torch.bfloat16))
    top, left = (max(length - PROBE, 0) // 2 for length in lr.shape[-2:])
    probe = lr[..., top : top + PROBE, left : left + PROBE]
    wanted, found = upscale_values(full, probe), upscale_values(half, probe)
    if problem := describe_error(found, wanted):
        return None, f"bf16 gives {problem} with this network; using fp32"
    worst = float(np.abs(found - wanted).max()) * 255
    return half, f"bf16, off by at most {worst:.1f} of 255 on a probe; --precision fp32 is exact"


def describe_error(found: Values, wanted: Values) -> str:
    """Describe the error of a result in bf16; empty if it is accurate."""
    if not np.isfinite(found).all():
        return "values that are not finite"
    if found.max() <= 0 < wanted.max():
        return "black"
    off = np.abs(found.clip(0, 1) - wanted.clip(0, 1)) * 255
    if off.max() > MAX_ERROR or off.mean() > MAX_MEAN_ERROR:
        return f"results off by up to {off.max():.1f} of 255, {off.mean():.2f} in the mean,"
    return ""


def upscale_values(engine: Engine, lr: Pixels) -> Values:
    """The result of a small image, not clipped."""
    scale = engine.scale
    values = np.empty((lr.shape[-2] * scale, lr.shape[-1] * scale, 3), dtype=np.float32)

    def write(top: int, left: int, sr: Pixels) -> None:
        block = sr.transpose(1, 2, 0)
        values[top : top + block.shape[0], left : left + block.shape[1]] = block

    upscale_tiled(engine, lr, write)
    return values
