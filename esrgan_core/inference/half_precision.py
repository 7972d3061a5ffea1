"""Half precision, if its results are accurate."""

import numpy as np
from jaxtyping import Float

from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.tiling import upscale_values

Values = Float[np.ndarray, "_ _ 3"]
PROBE = 48
"""Pixels a side of the test."""
MAX_ERROR = 32.0
"""Levels of 255, at any pixel of the probe."""
MAX_MEAN_ERROR = 0.75
"""Levels of 255, averaged over the probe. The published x4plus network has a mean error of a third
of a level on a photograph, and up to 11 at single pixels."""


def check_half(full: Engine, half: Engine, name: str, lr: Pixels) -> tuple[bool, str]:
    """Compare half precision, called `name`, with full precision on the middle of an image.

    Returns:
        (whether it is accurate, a message).
    """
    top, left = (max(length - PROBE, 0) // 2 for length in lr.shape[-2:])
    probe = lr[..., top : top + PROBE, left : left + PROBE]
    wanted, found = upscale_values(full, probe), upscale_values(half, probe)
    if problem := describe_error(found, wanted):
        return False, f"{name} gives {problem} with this network; using fp32"
    worst = float(np.abs(found - wanted).max()) * 255
    return True, f"{name}, off by at most {worst:.1f} of 255 on a probe; --precision fp32 is exact"


def describe_error(found: Values, wanted: Values) -> str:
    """Describe the error of a result in half precision; empty if it is accurate."""
    if not np.isfinite(found).all():
        return "values that are not finite"
    if found.max() <= 0 < wanted.max():
        return "black"
    off = np.abs(found.clip(0, 1) - wanted.clip(0, 1)) * 255
    if off.max() > MAX_ERROR or off.mean() > MAX_MEAN_ERROR:
        return f"results off by up to {off.max():.1f} of 255, {off.mean():.2f} in the mean,"
    return ""
