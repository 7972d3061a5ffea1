"""GAN losses over logits: relativistic average (ESRGAN section 3.2) and standard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Logits = Float[Tensor, "b 1"]
Scalar = Float[Tensor, ""]
GanKind = Literal["relativistic_average", "relativistic_average_detached", "standard"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdversarialLoss:
    """The losses of both networks, as functions of the logits of (real, fake)."""

    discriminator: Callable[[Logits, Logits], Scalar]
    generator: Callable[[Logits, Logits], Scalar]


def _bce(logits: Logits, target: float) -> Scalar:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def relativistic_average_loss(rising: Logits, falling: Logits) -> Scalar:
    """Push `rising` logits above the mean of `falling` ones, and the reverse (eq. 1-2).

    The discriminator calls it with (real, fake); the generator with (fake, real). Gradients
    flow through both means. The mean of the paper's two terms, as in its released code.

    >>> zero = torch.zeros(2, 1)
    >>> relativistic_average_loss(zero, zero)
    tensor(0.6931)
    """
    return (_bce(rising - falling.mean(), 1) + _bce(falling - rising.mean(), 0)) / 2


def detached_relativistic_average_loss(rising: Logits, falling: Logits) -> Scalar:
    """The same value without gradients through the means, as in BasicSR's discriminator update.

    The norm of the gradient is about half of the paper's.
    """
    up = _bce(rising - falling.mean().detach(), 1)
    return (up + _bce(falling - rising.mean().detach(), 0)) / 2


def _swapped(real: Logits, fake: Logits) -> Scalar:
    return relativistic_average_loss(fake, real)


def _standard_discriminator(real: Logits, fake: Logits) -> Scalar:
    """Half of `-log D(real) - log(1 - D(fake))` (Goodfellow et al. 2014)."""
    return (_bce(real, 1) + _bce(fake, 0)) / 2


def _standard_generator(real: Logits, fake: Logits) -> Scalar:
    """`-log D(fake)`, the form that does not saturate (Goodfellow et al. 2014, section 3)."""
    del real
    return _bce(fake, 1)


ADVERSARIAL: dict[GanKind, AdversarialLoss] = {
    "relativistic_average": AdversarialLoss(
        discriminator=relativistic_average_loss, generator=_swapped
    ),
    # BasicSR's generator has the paper's loss: real logits have no gradient there
    "relativistic_average_detached": AdversarialLoss(
        discriminator=detached_relativistic_average_loss, generator=_swapped
    ),
    "standard": AdversarialLoss(
        discriminator=_standard_discriminator, generator=_standard_generator
    ),
}
