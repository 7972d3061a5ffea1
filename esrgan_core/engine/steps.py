"""One batch: the update of stage 1 (pixel loss) and that of stage 2 (GAN)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.nn.utils import get_total_norm

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.ema import Ema
from esrgan_core.losses.adversarial import AdversarialLoss
from esrgan_core.models.rrdb import RRDBNet

Terms = dict[str, Tensor]
SKIPPED = "skipped"
"""Term that is 1 where a step left the weights alone, because a loss or gradient was not finite."""
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamConfig:
    """Adam's settings; the defaults are the paper's."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)

    def build(self, network: nn.Module) -> torch.optim.Adam:
        """Adam over all weights of `network`."""
        return torch.optim.Adam(
            network.parameters(), lr=self.learning_rate, betas=self.betas, fused=True
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the generator's terms; the defaults are the paper's (eq. 3)."""

    pixel: float = 1e-2
    perceptual: float = 1.0
    adversarial: float = 5e-3


@runtime_checkable
class Step(Protocol):
    """Updates networks on one batch; says the terms; can be saved and restored."""

    ema: Ema[RRDBNet]

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update on one batch with the learning rates multiplied by `rate`."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The parts that must survive, by name; each has a state dict."""
        ...


def _set_rate(optimizer: torch.optim.Adam, config: AdamConfig, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor


def _autocast(precision: Precision, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _use_channels_last(*networks: nn.Module) -> None:
    """Give networks the memory layout that convolutions are fastest in."""
    for network in networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradient is computed for the weights of `network` within."""
    network.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        network.requires_grad_(requires_grad=True)


def _update(loss: Tensor, optimizer: torch.optim.Adam) -> tuple[Tensor, Tensor]:
    """Step down the gradient of `loss`, unless either is not finite.

    Whether to skip is decided on the device: nothing waits for it.

    Returns:
        (norm of the gradient, 1 if the step was skipped else 0).
    """
    optimizer.zero_grad()
    loss.backward()
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    skipped = (~(norm.isfinite() & loss.detach().isfinite())).float()
    # the fused update leaves weights and moments alone where this is 1
    optimizer.found_inf = skipped  # type: ignore[attr-defined]
    optimizer.step()
    return norm, skipped


def _statistics(*networks: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """(buffer, its value now) of all statistics of normalisation."""
    buffers = [buffer for network in networks for buffer in network.buffers()]
    return [(buffer, buffer.clone()) for buffer in buffers]


def _put_back(statistics: list[tuple[Tensor, Tensor]], skipped: Tensor) -> None:
    """Undo what a skipped step did to statistics, which took in what was not finite."""
    for buffer, before in statistics:
        buffer.copy_(torch.where(skipped > 0, before, buffer))


def _detached(terms: Mapping[str, Tensor]) -> Terms:
    return {name: term.detach() for name, term in terms.items()}


def _widened(result: Tensor) -> Tensor:
    """A result of autocast in the precision of the losses."""
    return result.float() if result.dtype == torch.bfloat16 else result


class PixelStep:
    """Stage 1: the generator alone, mean absolute error (ESRGAN section 4.1)."""

    def __init__(
        self, generator: RRDBNet, optimizer: AdamConfig, *, ema: float, precision: Precision
    ) -> None:
        _use_channels_last(generator)
        self.generator, self.config, self.precision = generator, optimizer, precision
        self.optimizer = optimizer.build(self.generator)
        self.ema = Ema(self.generator, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update the generator on one batch; the term is `g/pixel`."""
        _set_rate(self.optimizer, self.config, rate)
        statistics = _statistics(self.generator)
        with _autocast(self.precision, _device(self.generator)):
            sr = _widened(self.generator(pair.lr))
        loss = l1_loss(sr, pair.hr)
        norm, skipped = _update(loss, self.optimizer)
        _put_back(statistics, skipped)
        self.ema.update()
        return _detached({"g/pixel": loss, "g/gradient": norm, SKIPPED: skipped})

    def state(self) -> Mapping[str, Any]:
        """What must survive an interruption."""
        return {
            "generator": self.generator,
            "ema": self.ema.network,
            "optimizer": self.optimizer,
        }


class GanStep:
    """Stage 2: generator and discriminator in turn, in the published order.

    The generator runs once; it is updated with the discriminator frozen; then the
    discriminator is updated on the same pictures, detached.
    """

    def __init__(
        self,
        generator: RRDBNet,
        discriminator: nn.Module,
        perceptual: nn.Module,
        adversarial: AdversarialLoss,
        *,
        weights: LossWeights,
        generator_optimizer: AdamConfig,
        discriminator_optimizer: AdamConfig,
        ema: float,
        precision: Precision,
    ) -> None:
        """Take built parts; `perceptual` maps (sr, hr) to a scalar."""
        _use_channels_last(generator, discriminator, perceptual)
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.adversarial, self.weights, self.precision = adversarial, weights, precision
        self.generator_config = generator_optimizer
        self.discriminator_config = discriminator_optimizer
        self.generator_optimizer = generator_optimizer.build(self.generator)
        self.discriminator_optimizer = discriminator_optimizer.build(self.discriminator)
        self.ema = Ema(self.generator, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update both networks on one batch and say what each term was, before its weight."""
        _set_rate(self.generator_optimizer, self.generator_config, rate)
        _set_rate(self.discriminator_optimizer, self.discriminator_config, rate)
        statistics = _statistics(self.generator, self.discriminator)
        with _autocast(self.precision, _device(self.generator)):
            sr = _widened(self.generator(pair.lr))
        terms = self.update_generator(sr, pair.hr)
        skipped = terms[SKIPPED]
        terms |= self.update_discriminator(sr.detach(), pair.hr)
        terms[SKIPPED] = torch.maximum(skipped, terms[SKIPPED])
        _put_back(statistics, terms[SKIPPED])
        self.ema.update()
        return terms

    def update_generator(self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]) -> Terms:
        """One step of the generator for `sr`, its output with a graph."""
        with frozen(self.discriminator):
            real, fake = self._judge(hr, sr)
            with _autocast(self.precision, _device(self.generator)):
                perceptual = _widened(self.perceptual(sr, hr))
            terms = {
                "g/pixel": l1_loss(sr, hr),
                "g/perceptual": perceptual,
                "g/adversarial": self.adversarial.generator(real, fake),
            }
            loss = (
                self.weights.pixel * terms["g/pixel"]
                + self.weights.perceptual * terms["g/perceptual"]
                + self.weights.adversarial * terms["g/adversarial"]
            )
            norm, skipped = _update(loss, self.generator_optimizer)
        return _detached(terms | {"g/total": loss, "g/gradient": norm, SKIPPED: skipped})

    def update_discriminator(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> Terms:
        """One step of the discriminator on pictures without a graph."""
        real, fake = self._judge(hr, sr)
        loss = self.adversarial.discriminator(real, fake)
        norm, skipped = _update(loss, self.discriminator_optimizer)
        return _detached(
            {
                "d/adversarial": loss,
                "d/real": real.mean(),
                "d/fake": fake.mean(),
                "d/gradient": norm,
                SKIPPED: skipped,
            }
        )

    def _judge(
        self, hr: Float[Tensor, "b 3 h w"], sr: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b 1"]]:
        """Logits of real and fake, each a batch of its own for the normalisation."""
        with _autocast(self.precision, _device(self.generator)):
            return _widened(self.discriminator(hr)), _widened(self.discriminator(sr))

    def state(self) -> Mapping[str, Any]:
        """What must survive an interruption."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.network,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
