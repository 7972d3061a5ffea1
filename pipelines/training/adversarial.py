"""Training of a generator with perceptual and adversarial losses, from pretrained weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import GanStep, LossWeights
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.files import file_sha256
from esrgan_core.losses.adversarial import ADVERSARIAL, GanKind
from esrgan_core.losses.contextual import contextual_distance
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.build import build_discriminator
from esrgan_core.models.configs import DiscriminatorConfig
from esrgan_core.models.reading import load_network
from esrgan_core.models.weights import load_generator
from pipelines.sources.pretrained_weights import find_weights
from pipelines.training.config import TrainingConfig
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.stage import train

ContentLoss = Literal["l1", "mse", "contextual"]
CONTENT_LOSSES: Mapping[ContentLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1_loss,
    "mse": mse_loss,
    "contextual": contextual_distance,
}
"""Distances of feature maps."""
PAPER_OPTIMIZER = OptimizerConfig(learning_rate=1e-4)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdversarialTraining(TrainingConfig):
    """Section of an adversarial training; the defaults are those of ESRGAN's second stage."""

    select: SelectConfig = field(
        default_factory=lambda: SelectConfig(metric="niqe", psnr_y_loss=2.5)
    )
    gan: GanKind = "relativistic_average"
    content: ContentLoss = "l1"
    weights: LossWeights = field(default_factory=LossWeights)
    generator_optimizer: OptimizerConfig = PAPER_OPTIMIZER
    discriminator_optimizer: OptimizerConfig = PAPER_OPTIMIZER

    def __post_init__(self) -> None:
        TrainingConfig.__post_init__(self)
        if not (self.weights.pixel or self.weights.perceptual or self.weights.adversarial):
            raise ValueError("one of weights.pixel, perceptual and adversarial must be above 0")


@dataclass(frozen=True, slots=True)
class AdversarialSetup:
    """The networks of an adversarial training."""

    start: Path
    """Weights file of the generator to start from."""
    discriminator: DiscriminatorConfig
    features: FeaturesConfig

    def identity(self) -> Mapping[str, Any]:
        """The part of a training's identity that the networks decide."""
        sha256 = file_sha256(find_weights(self.features))
        return {
            "discriminator": self.discriminator,
            "features": {"layers": dict(self.features.layers), "sha256": sha256},
            "start": load_network(self.start).digest,
        }

    def build_step(self, config: AdversarialTraining, execution: Execution) -> GanStep:
        """Build the update; the discriminator gets random weights from torch's generator."""
        discriminator = build_discriminator(self.discriminator)
        generator = load_generator(self.start).train()
        features = build_features(self.features, find_weights(self.features))
        return GanStep(
            generator,
            discriminator,
            PerceptualLoss(features, self.features.layers, CONTENT_LOSSES[config.content]),
            ADVERSARIAL[config.gan],
            weights=config.weights,
            generator_optimizer=config.generator_optimizer,
            discriminator_optimizer=config.discriminator_optimizer,
            ema=config.ema,
            execution=execution,
        )


def train_adversarially(
    stage: str,
    setup: AdversarialSetup,
    config: AdversarialTraining,
    semantic_maps: SemanticMaps | None = None,
) -> None:
    """Train a generator further; write both networks, the curve and the metrics."""
    build_step, identity = partial(setup.build_step, config), setup.identity()
    train(stage, build_step, config, identity=identity, semantic_maps=semantic_maps)
