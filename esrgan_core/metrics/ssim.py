"""Structural similarity (Wang et al. 2004), as their MATLAB code computes it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(sr: Float[Tensor, "b 1 h w"], hr: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    """Per-image SSIM of one-channel images in [0, 1], over windows that lie wholly inside.

    Raises:
        ValueError: if a side is shorter than the window of 11 pixels.
    """
    if min(sr.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} pixels a side, got {tuple(sr.shape[-2:])}")
    offset = torch.arange(WINDOW, dtype=sr.dtype, device=sr.device) - WINDOW // 2
    kernel = torch.exp(-(offset**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()

    x, y = sr * 255, hr * 255
    stacked = torch.cat([x, y, x * x, y * y, x * y])
    rows = F.conv2d(stacked, kernel.view(1, 1, -1, 1))
    mean_x, mean_y, xx, yy, xy = F.conv2d(rows, kernel.view(1, 1, 1, -1)).chunk(5)
    variance_x, variance_y = xx - mean_x**2, yy - mean_y**2
    covariance = xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (luminance * structure).mean(dim=(1, 2, 3))
