"""BT.601 luma, by its one set of weights."""

import numpy as np
from jaxtyping import Float, Shaped

BT601 = (0.299, 0.587, 0.114)
"""Weights of R, G and B."""


def luma(rgb: Shaped[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Full-range luma in float32, in the units of `rgb`."""
    return rgb.astype(np.float32, copy=False) @ np.array(BT601, dtype=np.float32)
