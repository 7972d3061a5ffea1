"""Pixel losses; each is a mean, so that batches can be split."""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from esrgan_core.tensors import crop_border, rgb_to_y

PixelLoss = Callable[[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]], Float[Tensor, ""]]
PixelKind = Literal["l1", "mse", "luma_mse"]
LUMA_BORDER = 12
"""HR pixels on each side of a patch that padding affects: 6 by SRCNN's kernels, the others by
bicubic enlargement, at scale 4 to the nearest 2 pixels."""


def luma_mse(sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """Mean squared error on luma inside the border, the loss of SRCNN (Dong et al. 2014).

    Its convolutions are trained without padding; ignoring pixels that padding affects is equal.
    """
    return mse_loss(rgb_to_y(crop_border(sr, LUMA_BORDER)), rgb_to_y(crop_border(hr, LUMA_BORDER)))


PIXEL: dict[PixelKind, PixelLoss] = {"l1": l1_loss, "mse": mse_loss, "luma_mse": luma_mse}
