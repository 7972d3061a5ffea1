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
from esrgan_core.engine.buffer_snapshot import BufferSnapshot
from esrgan_core.engine.ema import Ema
from esrgan_core.engine.execution import (
    DEFAULT_EXECUTION,
    Execution,
    has_batch_norm,
    to_loss_precision,
)
from esrgan_core.engine.flat_optimizer import FlatOptimizer
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.losses.adversarial import AdversarialLoss
from esrgan_core.losses.pixel import PixelLoss
from esrgan_core.models.build import Generator

Images = Float[Tensor, "b 3 h w"]
Terms = dict[str, Tensor]
SKIPPED = "skipped"
"""Term that is 1 if a step changed no weights, because a loss or gradient was not finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the generator's terms; the defaults are the paper's (eq. 3)."""

    pixel: float = 1e-2
    perceptual: float = 1.0
    adversarial: float = 5e-3
    classification: float = 0.0
    """Of a discriminator that classifies; SFTGAN's is 5e-3."""

    def __post_init__(self) -> None:
        check_bounds(self, "pixel", "perceptual", "adversarial", "classification")


@runtime_checkable
class Step(Protocol):
    """Updates networks on one batch and returns the terms; can be saved and restored."""

    ema: Ema[Generator]
    execution: Execution

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update on one batch with the learning rates multiplied by `rate`."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The parts of a checkpoint, by name; each has a state dict."""
        ...


def _detached(terms: Mapping[str, Tensor]) -> Terms:
    return {name: term.detach() for name, term in terms.items()}


class PixelStep:
    """Stage 1: the generator only, by default with the mean absolute error (section 4.1)."""

    def __init__(
        self,
        generator: Generator,
        optimizer: OptimizerConfig,
        *,
        ema: float,
        loss: PixelLoss = l1_loss,
        execution: Execution = DEFAULT_EXECUTION,
        accumulate: int = 1,
    ) -> None:
        """Prepare a generator; `loss` is a mean, each batch is computed in `accumulate` parts.

        Raises:
            ValueError: if the generator has batch normalization, whose statistics would change.
        """
        if accumulate > 1 and has_batch_norm(generator):
            raise ValueError("accumulate would normalize each part by itself; set it to 1")
        execution.prepare(generator)
        self.generator, self.execution, self.accumulate = generator, execution, accumulate
        self.loss = loss
        self._optimizer = FlatOptimizer(generator, optimizer, execution.world)
        self._generate = execution.compile_generator(generator)
        self.ema = Ema(generator, self._optimizer.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update the generator on one batch; the term is `g/pixel`."""
        snapshot = BufferSnapshot(self.generator)
        self._optimizer.zero_grad()
        loss = pair.hr.new_zeros(())
        for part in _split(pair, self.accumulate):
            with self.execution.autocast():
                sr = to_loss_precision(self._generate(*_inputs(part)))
            part_loss = self.loss(sr, part.hr) / self.accumulate
            (part_loss / self.execution.world.size).backward()
            loss = loss + part_loss.detach()
        norm, skipped = self._optimizer.step(rate, loss)
        snapshot.restore(skipped)
        self.ema.update(skipped)
        return {"g/pixel": loss, "g/gradient": norm, SKIPPED: skipped}

    def state(self) -> Mapping[str, Any]:
        """The parts of a checkpoint, by name."""
        return {
            "generator": self.generator,
            "ema": self.ema.network,
            "optimizer": self._optimizer,
        }


def _split(pair: Pair, count: int) -> Iterator[Pair]:
    if len(pair.lr) % count:
        raise ValueError(f"a batch of {len(pair.lr)} cannot be computed in {count} equal parts")
    maps = [None] * count if pair.semantic_map is None else pair.semantic_map.chunk(count)
    for lr, hr, part in zip(pair.lr.chunk(count), pair.hr.chunk(count), maps, strict=True):
        yield Pair(lr=lr, hr=hr, semantic_map=part)


def _inputs(pair: Pair) -> tuple[Tensor, ...]:
    return (pair.lr,) if pair.semantic_map is None else (pair.lr, pair.semantic_map)


def dominant_class(semantic_map: Float[Tensor, "b k h w"]) -> Int64[Tensor, " b"]:
    """The class that fills most of each patch."""
    return semantic_map.mean(dim=(2, 3)).argmax(dim=1)


class GanStep:
    """Stage 2: generator and discriminator, by the published updates.

    The generator is updated with the discriminator frozen, then the discriminator on the same
    images, detached. Neither update changes the inputs of the other, so both gradients come from
    one pass of each network; hence the statistics of the discriminator's normalization count each
    batch once.
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
        execution: Execution = DEFAULT_EXECUTION,
    ) -> None:
        """Prepare the networks; `perceptual` maps (sr, hr) to a scalar."""
        execution.prepare(generator, discriminator, perceptual)
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.adversarial, self.weights, self.execution = adversarial, weights, execution
        self._g = FlatOptimizer(generator, generator_optimizer, execution.world)
        self._d = FlatOptimizer(discriminator, discriminator_optimizer, execution.world)
        self._generate = execution.compile_generator(generator)
        self.ema = Ema(generator, self._g.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update both networks on one batch and return each term, before its weight."""
        snapshot = BufferSnapshot(self.generator, self.discriminator)
        self._g.zero_grad()
        self._d.zero_grad()
        with self.execution.autocast():
            sr = to_loss_precision(self._generate(*_inputs(pair)))
        # a leaf: the gradients of all terms are added here before they enter the generator
        leaf = sr.detach().requires_grad_()
        terms, adversarial_gradient = self._adversarial_gradient(leaf, pair)
        content_terms, content_gradient = self._content_gradient(leaf, pair.hr)
        terms |= content_terms
        sr.backward((adversarial_gradient + content_gradient) / self.execution.world.size)
        total = (
            self.weights.pixel * terms["g/pixel"]
            + self.weights.perceptual * terms["g/perceptual"]
            + self.weights.adversarial * terms["g/adversarial"]
        )
        if "g/class" in terms:
            total = total + self.weights.classification * terms["g/class"]
        terms["g/total"] = total
        terms["g/gradient"], g_skipped = self._g.step(rate, total)
        terms["d/gradient"], d_skipped = self._d.step(rate, terms["d/adversarial"])
        terms[SKIPPED] = torch.maximum(g_skipped, d_skipped)
        snapshot.restore(terms[SKIPPED])
        self.ema.update(g_skipped)
        return _detached(terms)

    def _adversarial_gradient(self, sr: Images, pair: Pair) -> tuple[Terms, Images]:
        """The adversarial terms and their gradient in `sr`.

        Also accumulates the discriminator's gradients.
        """
        world = self.execution.world
        with self.execution.autocast():
            # real and fake as separate batches for the normalization
            logits = [to_loss_precision(self.discriminator(images)) for images in (pair.hr, sr)]
        real, fake = (world.gather(each[:, :1]) for each in logits)
        g_adversarial = self.adversarial.generator(real.detach(), fake)
        d_adversarial = self.adversarial.discriminator(real, fake)
        # added up over processes like the other terms' gradients, which are means over slices
        g_loss = self.weights.adversarial * world.size * g_adversarial
        d_loss = d_adversarial
        terms: Terms = {}
        if self.weights.classification and pair.semantic_map is not None:
            target = dominant_class(pair.semantic_map)
            d_class, g_class = (cross_entropy(each[:, 1:], target) for each in logits)
            g_loss = g_loss + self.weights.classification * g_class
            # a mean over this process's slice, where the adversarial loss is over the whole batch
            d_loss = d_loss + (d_class + g_class) / world.size
            terms = {"g/class": g_class, "d/class": d_class}
        (gradient,) = torch.autograd.grad(g_loss, sr, retain_graph=True)
        d_loss.backward(inputs=self._d.flat.parameters)
        terms |= {
            "g/adversarial": g_adversarial,
            "d/adversarial": d_adversarial,
            "d/real": real.mean(),
            "d/fake": fake.mean(),
            "d/gap": real.mean() - fake.mean(),
        }
        return _detached(terms), gradient

    def _content_gradient(self, sr: Images, hr: Images) -> tuple[Terms, Images]:
        """The pixel and perceptual terms and their gradient in `sr`."""
        pixel = l1_loss(sr, hr)
        with self.execution.autocast():
            perceptual = to_loss_precision(self.perceptual(sr, hr))
        loss = self.weights.pixel * pixel + self.weights.perceptual * perceptual
        (gradient,) = torch.autograd.grad(loss, sr)
        return _detached({"g/pixel": pixel, "g/perceptual": perceptual}), gradient

    def state(self) -> Mapping[str, Any]:
        """The parts of a checkpoint, by name."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.network,
            "generator_optimizer": self._g,
            "discriminator_optimizer": self._d,
        }
