"""The relativistic average GAN loss (Jolicoeur-Martineau 2018; ESRGAN section 3.2)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

Logits = Float[Tensor, "b 1"]
Scalar = Float[Tensor, ""]


def relativistic_average_loss(rising: Logits, falling: Logits) -> Scalar:
    """Ask for `rising` logits above the mean of `falling` ones, and the reverse (eq. 1-2).

    The discriminator calls it with (real, fake); the generator with (fake, real). Gradients
    flow through both means. The mean of the paper's two terms, as in its released code.

    >>> zero = torch.zeros(2, 1)
    >>> relativistic_average_loss(zero, zero)
    tensor(0.6931)
    """
    up = rising - falling.mean()
    down = falling - rising.mean()
    return (bce(up, torch.ones_like(up)) + bce(down, torch.zeros_like(down))) / 2
