"""A network in half precision, where what it makes is right."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from esrgan_core.inference.tiling import upscale_tiled
from esrgan_core.models import Generator

Values = Float[np.ndarray, "_ _ 3"]
PROBE = 48
"""Pixels a side on which half precision is tried."""
MOST_DRIFT = 32.0
"""Levels of 255 by which half precision may be off at a pixel of the probe ..."""
MOST_MEAN_DRIFT = 0.75
"""... and at all of them in the mean. The published x4plus network is off by a third of a level in
the mean of a photograph, and by up to 11 at single pixels."""


def try_bf16(network: Generator, lr: Float[Tensor, "1 3 h w"]) -> tuple[Generator | None, str]:
    """The network in bf16, if its result for a piece of an image is right, and words on it.

    Args:
        network: in fp32, where it computes.
        lr: RGB in [0, 1]; its middle is tried.
    """
    half: Generator = deepcopy(network).to(torch.bfloat16)
    top, left = (max(length - PROBE, 0) // 2 for length in lr.shape[-2:])
    piece = lr[..., top : top + PROBE, left : left + PROBE]
    wanted, found = _result(network, piece), _result(half, piece)
    if problem := describe_error(found, wanted):
        return None, f"bf16 gives {problem} with this network; fp32 it is"
    worst = float(np.abs(found - wanted).max()) * 255
    return half, f"bf16, off by at most {worst:.1f} of 255 on a probe; --precision fp32 is exact"


def describe_error(found: Values, wanted: Values) -> str:
    """What is wrong with a result in half precision; empty if nothing is."""
    if not np.isfinite(found).all():
        return "values that are not finite"
    if found.max() <= 0 < wanted.max():
        return "black"
    off = np.abs(found.clip(0, 1) - wanted.clip(0, 1)) * 255
    if off.max() > MOST_DRIFT or off.mean() > MOST_MEAN_DRIFT:
        return f"results off by up to {off.max():.1f} of 255, {off.mean():.2f} in the mean,"
    return ""


def _result(network: Generator, lr: Tensor) -> Values:
    scale = network.config.scale
    values = np.empty((lr.shape[-2] * scale, lr.shape[-1] * scale, 3), dtype=np.float32)

    def write(top: int, left: int, sr: Tensor) -> None:
        block = sr[0].permute(1, 2, 0).cpu().numpy()
        values[top : top + block.shape[0], left : left + block.shape[1]] = block

    upscale_tiled(network, lr, write)
    return values
