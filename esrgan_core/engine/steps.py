"""One batch: the update of stage 1 (pixel loss) and that of stage 2 (GAN)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import ALONE, World, share_statistics
from esrgan_core.engine.ema import Ema
from esrgan_core.engine.flat import Flat
from esrgan_core.losses.adversarial import AdversarialLoss
from esrgan_core.models.rrdb import RRDBNet

Terms = dict[str, Tensor]
SKIPPED = "skipped"
"""Term that is 1 where a step left the weights alone, because a loss or gradient was not finite."""
Precision = Literal["fp32", "bf16"]
Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamConfig:
    """Adam's settings; the defaults are the paper's."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the generator's terms; the defaults are the paper's (eq. 3)."""

    pixel: float = 1e-2
    perceptual: float = 1.0
    adversarial: float = 5e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How a step is computed; but for rounding, nothing of it changes the result."""

    precision: Precision = "fp32"
    """bf16: activations in bfloat16, weights and losses in float32."""
    compile: Compile = "off"
    """torch.compile's mode for the generator; reduce-overhead uses CUDA graphs."""
    checkpointing: bool = False
    """Compute the blocks' activations again in the backward pass instead of keeping them."""
    world: World = ALONE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


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


class _Trained:
    """A network with its weights in one tensor, and Adam over them."""

    def __init__(self, network: nn.Module, adam: AdamConfig, world: World) -> None:
        share_statistics(network, world)
        self.network, self.world, self.learning_rate = network, world, adam.learning_rate
        self.flat = Flat(network)
        self.adam = torch.optim.Adam(
            [self.flat.weights], lr=adam.learning_rate, betas=adam.betas, fused=True
        )

    def clear(self) -> None:
        """Forget the gradients."""
        self.flat.gradients.zero_()

    def update(self, rate: float, *losses: Tensor) -> tuple[Tensor, Tensor]:
        """Step down the gradients, unless they or the losses are not finite.

        Whether to skip is decided on the device: nothing waits for it.

        Returns:
            (norm of the gradient, 1 if the step was skipped else 0).
        """
        gradients = self.world.sum_(self.flat.gradients)
        norm = torch.linalg.vector_norm(gradients)
        finite = torch.stack([norm, *(loss.detach() for loss in losses)]).isfinite().all()
        skipped = self.world.any((~finite).float())
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate * rate
        # the fused update leaves weights and moments alone where this is 1
        self.adam.found_inf = skipped  # type: ignore[attr-defined]
        self.adam.step()
        return norm, skipped


class _Statistics:
    """The buffers of networks as they were, for the case that a step is skipped."""

    def __init__(self, *networks: nn.Module) -> None:
        self.buffers = [buffer for network in networks for buffer in network.buffers()]
        self.before = [buffer.clone() for buffer in self.buffers]

    def put_back(self, skipped: Tensor) -> None:
        """Undo what a skipped step did to them: it took in what was not finite."""
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(torch.where(skipped > 0, before, buffer))


def _prepared(execution: Execution, *networks: nn.Module) -> None:
    """Move networks to the device, in the memory layout that convolutions are fastest in."""
    for network in networks:
        network.to(execution.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub


def _autocast(execution: Execution) -> torch.autocast:
    enabled = execution.precision == "bf16"
    return torch.autocast(execution.device.type, torch.bfloat16, enabled=enabled)


def _runner(generator: RRDBNet, execution: Execution) -> Callable[[Tensor], Tensor]:
    """The generator as it is called in training.

    Raises:
        ValueError: if its activations cannot be computed twice.
    """
    if execution.checkpointing:
        if generator.config.batch_norm:
            raise ValueError("checkpointing would count each batch twice in batch_norm; drop one")
        generator.checkpointing = True
    if execution.compile == "off":
        return generator
    compiled: Callable[[Tensor], Tensor] = torch.compile(generator, mode=execution.compile)
    return compiled


def _detached(terms: Mapping[str, Tensor]) -> Terms:
    return {name: term.detach() for name, term in terms.items()}


def _widened(result: Tensor) -> Tensor:
    """A result of autocast in the precision of the losses."""
    return result.float() if result.dtype == torch.bfloat16 else result


class PixelStep:
    """Stage 1: the generator alone, mean absolute error (ESRGAN section 4.1)."""

    def __init__(
        self,
        generator: RRDBNet,
        optimizer: AdamConfig,
        *,
        ema: float,
        execution: Execution = Execution(),
        accumulate: int = 1,
    ) -> None:
        """Take a built generator; its batches are computed in `accumulate` parts.

        Raises:
            ValueError: if the generator has batch normalisation, whose statistics parts change.
        """
        if accumulate > 1 and generator.config.batch_norm:
            raise ValueError("accumulate would normalise each part by itself; drop batch_norm")
        _prepared(execution, generator)
        self.generator, self.execution, self.accumulate = generator, execution, accumulate
        self._trained = _Trained(generator, optimizer, execution.world)
        self._run = _runner(generator, execution)
        self.ema = Ema(generator, self._trained.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update the generator on one batch; the term is `g/pixel`."""
        statistics = _Statistics(self.generator)
        self._trained.clear()
        loss = pair.hr.new_zeros(())
        for part in _parts(pair, self.accumulate):
            with _autocast(self.execution):
                sr = _widened(self._run(part.lr))
            share = l1_loss(sr, part.hr) / self.accumulate
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
            "optimizer": self._trained.adam,
        }


def _parts(pair: Pair, count: int) -> Iterator[Pair]:
    """A batch in equal parts.

    Raises:
        ValueError: if it cannot be parted evenly.
    """
    if len(pair.lr) % count:
        raise ValueError(f"a batch of {len(pair.lr)} cannot be computed in {count} equal parts")
    for lr, hr in zip(pair.lr.chunk(count), pair.hr.chunk(count), strict=True):
        yield Pair(lr=lr, hr=hr)


class GanStep:
    """Stage 2: generator and discriminator, by the published updates.

    The generator is updated with the discriminator held, then the discriminator on the same
    pictures, detached. Neither update changes what the other is computed from, so both gradients
    come from one pass of each network; the statistics of the discriminator's normalisation
    hence take in each batch once.
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
        execution: Execution = Execution(),
    ) -> None:
        """Take built parts; `perceptual` maps (sr, hr) to a scalar."""
        _prepared(execution, generator, discriminator, perceptual)
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.adversarial, self.weights, self.execution = adversarial, weights, execution
        self._g = _Trained(generator, generator_optimizer, execution.world)
        self._d = _Trained(discriminator, discriminator_optimizer, execution.world)
        self._run = _runner(generator, execution)
        self.ema = Ema(generator, self._g.flat, ema)

    def __call__(self, pair: Pair, rate: float) -> Terms:
        """Update both networks on one batch and say what each term was, before its weight."""
        statistics = _Statistics(self.generator, self.discriminator)
        self._g.clear()
        self._d.clear()
        with _autocast(self.execution):
            sr = _widened(self._run(pair.lr))
        # a leaf: the gradients of all terms meet here before they enter the generator
        judged = sr.detach().requires_grad_()
        terms, pull = self._judge(judged, pair.hr)
        seen, push = self._compare(judged, pair.hr)
        terms |= seen
        sr.backward((pull + push) / self.execution.world.size)
        total = (
            self.weights.pixel * terms["g/pixel"]
            + self.weights.perceptual * terms["g/perceptual"]
            + self.weights.adversarial * terms["g/adversarial"]
        )
        terms |= {"g/total": total}
        terms["g/gradient"], skipped = self._g.update(rate, total)
        terms["d/gradient"], skipped_too = self._d.update(rate, terms["d/adversarial"])
        terms[SKIPPED] = torch.maximum(skipped, skipped_too)
        statistics.put_back(terms[SKIPPED])
        self.ema.update(skipped)
        return _detached(terms)

    def _judge(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> tuple[Terms, Float[Tensor, "b 3 h w"]]:
        """The adversarial terms and their pull on `sr`; leaves the discriminator's gradients."""
        world = self.execution.world
        with _autocast(self.execution):
            # real and fake, each a batch of its own for the normalisation
            logits = _widened(self.discriminator(hr)), _widened(self.discriminator(sr))
        real, fake = world.gather(logits[0]), world.gather(logits[1])
        of_generator = self.adversarial.generator(real.detach(), fake)
        # summed over processes, like the other terms' gradients, which are means over shares
        weight = self.weights.adversarial * world.size
        (pull,) = torch.autograd.grad(weight * of_generator, sr, retain_graph=True)
        of_discriminator = self.adversarial.discriminator(real, fake)
        of_discriminator.backward(inputs=self._d.flat.parameters)
        terms = {
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
        with _autocast(self.execution):
            perceptual = _widened(self.perceptual(sr, hr))
        loss = self.weights.pixel * pixel + self.weights.perceptual * perceptual
        (push,) = torch.autograd.grad(loss, sr)
        return _detached({"g/pixel": pixel, "g/perceptual": perceptual}), push

    def state(self) -> Mapping[str, Any]:
        """What must survive an interruption."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.network,
            "generator_optimizer": self._g.adam,
            "discriminator_optimizer": self._d.adam,
        }
