"""The contextual loss: similarity of two images' features, regardless of their positions.

Mechrez et al. 2018, arXiv 1803.02077 (the loss) and 1803.04626 (in super-resolution).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

BAND_WIDTH = 0.5
"""`h` of eq. 3, as in the authors' code."""
MAX_FEATURES = 65 * 65
"""Features to compare per layer; more are subsampled, as by the authors."""


def contextual_similarity(
    of_sr: Float[Tensor, "b c n"], of_hr: Float[Tensor, "b c m"], band_width: float = BAND_WIDTH
) -> Float[Tensor, " b"]:
    """`CX` of two sets of features, in (0, 1]: 1 if each feature of HR has its own match in SR.

    Cosine distances after centering by HR's mean, relative to the nearest, normalized by a softmax
    (eq. 1-4).
    """
    center = of_hr.mean(dim=2, keepdim=True)
    first, second = normalize(of_sr - center, dim=1), normalize(of_hr - center, dim=1)
    # rows are SR's features, columns HR's; half of 1 - cos, as in the authors' code
    distance = ((1 - first.transpose(1, 2) @ second) / 2).clamp_min(0)
    relative = distance / (distance.amin(dim=2, keepdim=True) + 1e-5)
    similarity = torch.softmax((1 - relative) / band_width, dim=2)
    return similarity.amax(dim=1).mean(dim=1)


def contextual_distance(
    of_sr: Float[Tensor, "b c h w"], of_hr: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """`-log CX` of a layer's features, averaged over the batch; a distance for `PerceptualLoss`."""
    return -contextual_similarity(*_subsample(of_sr, of_hr)).log().mean()


def _subsample(
    of_sr: Float[Tensor, "b c h w"], of_hr: Float[Tensor, "b c h w"]
) -> tuple[Float[Tensor, "b c n"], Float[Tensor, "b c n"]]:
    """Both as sets of at most `MAX_FEATURES`, at the same random positions in every step.

    In float32: distances of similar features vanish in bfloat16.
    """
    first, second = of_sr.flatten(2).float(), of_hr.flatten(2).float()
    count = first.shape[2]
    if count <= MAX_FEATURES:
        return first, second
    # a fixed seed, so that a resumed training is equal
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MAX_FEATURES]
    drawn = drawn.to(first.device)
    return first[:, :, drawn], second[:, :, drawn]
