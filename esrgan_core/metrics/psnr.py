"""Peak signal-to-noise ratio and root mean square error."""

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b c h w"]


def psnr(sr: Images, hr: Images) -> Float[Tensor, " b"]:
    """Per-image PSNR in dB of images in [0, 1].

    Identical images have infinity, as defined; no epsilon is added.

    >>> psnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.1))
    tensor([20.])
    """
    return -10 * torch.log10((sr - hr).square().mean(dim=(1, 2, 3)))


def rmse(sr: Images, hr: Images) -> Float[Tensor, " b"]:
    """Per-image root mean square error in 8-bit gray levels of images in [0, 1] (PIRM 2018).

    >>> rmse(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.2))
    tensor([51.])
    """
    return 255 * (sr - hr).square().mean(dim=(1, 2, 3)).sqrt()
