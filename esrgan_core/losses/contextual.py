"""The contextual loss: likeness of the sets of two images' features, wherever they stand.

Mechrez et al. 2018, arXiv 1803.02077 (the loss) and 1803.04626 (in super-resolution).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

BAND_WIDTH = 0.5
"""`h` of eq. 3, as in the authors' code."""
MOST_FEATURES = 65 * 65
"""Features of a layer that are compared; more are thinned out, as by the authors."""


def contextual_similarity(
    of_sr: Float[Tensor, "b c n"], of_hr: Float[Tensor, "b c m"], band_width: float = BAND_WIDTH
) -> Float[Tensor, " b"]:
    """`CX` of two sets of features, in (0, 1]: 1 if each of HR's has one in SR that is its own.

    Cosine distances after centering by HR's mean, relative to the nearest, and as shares of an
    exponential (eq. 1-4).
    """
    center = of_hr.mean(dim=2, keepdim=True)
    first, second = normalize(of_sr - center, dim=1), normalize(of_hr - center, dim=1)
    # rows stand for SR's features, columns for HR's; half of 1 - cos, as in the authors' code
    distance = ((1 - first.transpose(1, 2) @ second) / 2).clamp_min(0)
    relative = distance / (distance.amin(dim=2, keepdim=True) + 1e-5)
    share = torch.softmax((1 - relative) / band_width, dim=2)
    return share.amax(dim=1).mean(dim=1)


def contextual_distance(
    of_sr: Float[Tensor, "b c h w"], of_hr: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """`-log CX` of a layer's features, the mean of the batch: a `PerceptualLoss`'s distance."""
    return -contextual_similarity(*_thinned(of_sr, of_hr)).log().mean()


def _thinned(
    of_sr: Float[Tensor, "b c h w"], of_hr: Float[Tensor, "b c h w"]
) -> tuple[Float[Tensor, "b c n"], Float[Tensor, "b c n"]]:
    """Both as sets of at most `MOST_FEATURES`, drawn at random, the same places at every step.

    In the precision of the losses: distances of near features vanish in bfloat16.
    """
    first, second = of_sr.flatten(2).float(), of_hr.flatten(2).float()
    count = first.shape[2]
    if count <= MOST_FEATURES:
        return first, second
    # a fixed draw: a training that is resumed must see the same
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MOST_FEATURES]
    drawn = drawn.to(first.device)
    return first[:, :, drawn], second[:, :, drawn]
