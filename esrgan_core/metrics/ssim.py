"""Structural similarity (Wang et al. 2004), as their MATLAB code computes it."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import correlate1d
from torch import Tensor

from esrgan_core.metrics.errors import UnmeasurableError

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
Plane = Float[np.ndarray, "h w"]


def ssim(sr: Float[Tensor, "b 1 h w"], hr: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    """Per-image SSIM of one-channel images in [0, 1], over windows inside the image.

    Computed on the CPU in double precision; no gradient flows.

    Raises:
        UnmeasurableError: if a side is shorter than the window of 11 pixels.
    """
    if min(sr.shape[-2:]) < WINDOW:
        raise UnmeasurableError(f"SSIM needs {WINDOW} pixels a side, got {tuple(sr.shape[-2:])}")
    pairs = zip(sr[:, 0], hr[:, 0], strict=True)
    return torch.tensor([_of_planes(_levels(x), _levels(y)) for x, y in pairs], dtype=torch.double)


def _levels(image: Float[Tensor, "h w"]) -> Plane:
    return image.detach().cpu().double().numpy() * 255


def _of_planes(x: Plane, y: Plane) -> float:
    offset = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offset**2) / (2 * SIGMA**2))
    window /= window.sum()
    inside = slice(WINDOW // 2, -(WINDOW // 2))

    def smooth(plane: Plane) -> Float[np.ndarray, "inner_h inner_w"]:
        # two passes along the axes; pixels that the border affects are cut after each
        once = correlate1d(plane, window, axis=0)[inside]
        return correlate1d(once, window, axis=1)[:, inside]

    mean_x, mean_y = smooth(x), smooth(y)
    covariance = smooth(x * y) - mean_x * mean_y
    # only the sum of the two variances is needed
    variances = smooth(x * x + y * y) - mean_x**2 - mean_y**2
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return float((luminance * structure).mean())
