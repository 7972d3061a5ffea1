"""One batch: the update of stage 1 (pixel loss) and that of stage 2 (GAN)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss

from esrgan_core.bounds import check_bounds
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.ema import Ema
from esrgan_core.engine.execution import (
    PLAIN,
    Execution,
    FlatOptimizer,
    OptimizerConfig,
    Statistics,
    autocast,
    normalises,
    prepare,
    runner,
    widened,
)
from esrgan_core.losses.adversarial import AdversarialLoss
from esrgan_core.losses.pixel import PixelLoss
from esrgan_core.models import Generator

Terms = dict[str, Tensor]
SKIPPED = "skipped"
"""Term that is 1 where a step left the weights alone, because a loss or gradient was not finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the generator's terms; the defaults are the paper's (eq. 3)."""

    pixel: float = 1e-2
    perceptual: float = 1.0
    adversarial: float = 5e-3
    classification: float = 0.0
    """Of a discriminator that names classes; SFTGAN's is 5e-3."""

    def __post_init__(self) -> None:
        """Refuse weights that would make a term grow."""
        check_bounds(self, "pixel", "perceptual", "adversarial", "classification")


@runtime_checkable
class Step(Protocol):
    """Updates networks on one batch; says the terms; can be saved and restored."""

    ema: Ema[Generator]

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update on one batch with the learning rates multiplied by `rate`."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The parts that must survive, by name; each has a state dict."""
        ...


def _detached(terms: Mapping[str, Tensor]) -> Terms:
    return {name: term.detach() for name, term in terms.items()}


class PixelStep:
    """Stage 1: the generator alone, by default with the mean absolute error (section 4.1)."""

    def __init__(
        self,
        generator: Generator,
        optimizer: OptimizerConfig,
        *,
        ema: float,
        loss: PixelLoss = l1_loss,
        execution: Execution = PLAIN,
        accumulate: int = 1,
    ) -> None:
        """Take a built generator; `loss` is a mean, its batches are computed in `accumulate` parts.

        Raises:
            ValueError: if the generator has batch normalisation, whose statistics parts change.
        """
        if accumulate > 1 and normalises(generator):
            raise ValueError("accumulate would normalise each part by itself; set it to 1")
        prepare(execution, generator)
        self.generator, self.execution, self.accumulate = generator, execution, accumulate
        self.loss = loss
        self._trained = FlatOptimizer(generator, optimizer, execution.world)
        self._run = runner(generator, execution)
        self.ema = Ema(generator, self._trained.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update the generator on one batch; the term is `g/pixel`."""
        statistics = Statistics(self.generator)
        self._trained.clear()
        loss = pair.hr.new_zeros(())
        for part in _parts(pair, self.accumulate):
            with autocast(self.execution):
                sr = widened(self._run(*_inputs(part)))
            share = self.loss(sr, part.hr) / self.accumulate
            (share / self.execution.world.size).backward()
            loss = loss + share.detach()
        norm, skipped = self._trained.update(rate, loss)
        statistics.put_back(skipped)
        self.ema.update(skipped)
        return {"g/pixel": loss, "g/gradient": norm, SKIPPED: skipped}

    def state(self) -> Mapping[str, Any]:
        """What must survive an interruption."""
        return {
            "generator": self.generator,
            "ema": self.ema.network,
            "optimizer": self._trained,
        }


def _parts(pair: Pair, count: int) -> Iterator[Pair]:
    """A batch in equal parts.

    Raises:
        ValueError: if it cannot be parted evenly.
    """
    if len(pair.lr) % count:
        raise ValueError(f"a batch of {len(pair.lr)} cannot be computed in {count} equal parts")
    conditions = [None] * count if pair.condition is None else pair.condition.chunk(count)
    for lr, hr, told in zip(pair.lr.chunk(count), pair.hr.chunk(count), conditions, strict=True):
        yield Pair(lr=lr, hr=hr, condition=told)


def _inputs(pair: Pair) -> tuple[Tensor, ...]:
    """What a generator is called with."""
    return (pair.lr,) if pair.condition is None else (pair.lr, pair.condition)


def main_class(condition: Float[Tensor, "b k h w"]) -> Int64[Tensor, " b"]:
    """The class that fills most of each patch."""
    return condition.mean(dim=(2, 3)).argmax(dim=1)


class GanStep:
    """Stage 2: generator and discriminator, by the published updates.

    The generator is updated with the discriminator held, then the discriminator on the same
    images, detached. Neither update changes what the other is computed from, so both gradients
    come from one pass of each network; the statistics of the discriminator's normalisation
    hence take in each batch once.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        perceptual: nn.Module,
        adversarial: AdversarialLoss,
        *,
        weights: LossWeights,
        generator_optimizer: OptimizerConfig,
        discriminator_optimizer: OptimizerConfig,
        ema: float,
        execution: Execution = PLAIN,
    ) -> None:
        """Take built parts; `perceptual` maps (sr, hr) to a scalar."""
        prepare(execution, generator, discriminator, perceptual)
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.adversarial, self.weights, self.execution = adversarial, weights, execution
        self._g = FlatOptimizer(generator, generator_optimizer, execution.world)
        self._d = FlatOptimizer(discriminator, discriminator_optimizer, execution.world)
        self._run = runner(generator, execution)
        self.ema = Ema(generator, self._g.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update both networks on one batch and say what each term was, before its weight."""
        statistics = Statistics(self.generator, self.discriminator)
        self._g.clear()
        self._d.clear()
        with autocast(self.execution):
            sr = widened(self._run(*_inputs(pair)))
        # a leaf: the gradients of all terms meet here before they enter the generator
        judged = sr.detach().requires_grad_()
        terms, pull = self._judge(judged, pair)
        seen, push = self._compare(judged, pair.hr)
        terms |= seen
        sr.backward((pull + push) / self.execution.world.size)
        total = (
            self.weights.pixel * terms["g/pixel"]
            + self.weights.perceptual * terms["g/perceptual"]
            + self.weights.adversarial * terms["g/adversarial"]
        )
        if "g/class" in terms:
            total = total + self.weights.classification * terms["g/class"]
        terms |= {"g/total": total}
        terms["g/gradient"], skipped = self._g.update(rate, total)
        terms["d/gradient"], skipped_too = self._d.update(rate, terms["d/adversarial"])
        terms[SKIPPED] = torch.maximum(skipped, skipped_too)
        statistics.put_back(terms[SKIPPED])
        self.ema.update(skipped)
        return _detached(terms)

    def _judge(
        self, sr: Float[Tensor, "b 3 h w"], pair: Pair
    ) -> tuple[Terms, Float[Tensor, "b 3 h w"]]:
        """The adversarial terms and their pull on `sr`; leaves the discriminator's gradients."""
        world = self.execution.world
        with autocast(self.execution):
            # real and fake, each a batch of its own for the normalisation
            logits = widened(self.discriminator(pair.hr)), widened(self.discriminator(sr))
        real, fake = world.gather(logits[0][:, :1]), world.gather(logits[1][:, :1])
        of_generator = self.adversarial.generator(real.detach(), fake)
        of_discriminator = self.adversarial.discriminator(real, fake)
        # summed over processes, like the other terms' gradients, which are means over shares
        pulling = self.weights.adversarial * world.size * of_generator
        learning, named = of_discriminator, {}
        if self.weights.classification and pair.condition is not None:
            shown = main_class(pair.condition)
            classes = [cross_entropy(logit[:, 1:], shown) for logit in logits]
            pulling = pulling + self.weights.classification * classes[1]
            # a mean over this process's share, where the adversarial loss is over the whole batch
            learning = learning + (classes[0] + classes[1]) / world.size
            named = {"g/class": classes[1], "d/class": classes[0]}
        (pull,) = torch.autograd.grad(pulling, sr, retain_graph=True)
        learning.backward(inputs=self._d.flat.parameters)
        terms = named | {
            "g/adversarial": of_generator,
            "d/adversarial": of_discriminator,
            "d/real": real.mean(),
            "d/fake": fake.mean(),
            "d/gap": real.mean() - fake.mean(),
        }
        return _detached(terms), pull

    def _compare(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> tuple[Terms, Float[Tensor, "b 3 h w"]]:
        """The pixel and perceptual terms and their push on `sr`."""
        pixel = l1_loss(sr, hr)
        with autocast(self.execution):
            perceptual = widened(self.perceptual(sr, hr))
        loss = self.weights.pixel * pixel + self.weights.perceptual * perceptual
        (push,) = torch.autograd.grad(loss, sr)
        return _detached({"g/pixel": pixel, "g/perceptual": perceptual}), push

    def state(self) -> Mapping[str, Any]:
        """What must survive an interruption."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.network,
            "generator_optimizer": self._g,
            "discriminator_optimizer": self._d,
        }
