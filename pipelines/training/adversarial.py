"""Training a generator on against a discriminator and by its features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import GanStep, LossWeights
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.files import file_sha256
from esrgan_core.losses.adversarial import ADVERSARIAL, GanKind
from esrgan_core.losses.contextual import contextual_distance
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models import DiscriminatorConfig, build_discriminator
from esrgan_core.models.weights import digest, load_generator, save_weights
from pipelines.config.artifacts import ARTIFACTS, PAIRS
from pipelines.sources.pretrained_weights import find_weights
from pipelines.training.config import TrainingConfig
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.trainer import train

PAPER = OptimizerConfig(learning_rate=1e-4)
PERCEPTUAL = SelectConfig(metric="niqe", psnr_y_loss=2.5)
Content = Literal["l1", "mse", "contextual"]
DISTANCES: Mapping[Content, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1_loss,
    "mse": mse_loss,
    "contextual": contextual_distance,
}
"""What the perceptual term is: a distance of features, or the contextual loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdversarialTraining(TrainingConfig):
    """A training against a discriminator; the defaults are ESRGAN's second stage."""

    select: SelectConfig = PERCEPTUAL
    gan: GanKind = "relativistic_average"
    content: Content = "l1"
    weights: LossWeights = field(default_factory=LossWeights)
    generator_optimizer: OptimizerConfig = PAPER
    discriminator_optimizer: OptimizerConfig = PAPER

    def __post_init__(self) -> None:
        """Refuse a generator that nothing pulls."""
        TrainingConfig.__post_init__(self)
        weights = self.weights
        if not (weights.pixel or weights.perceptual or weights.adversarial):
            raise ValueError("one of weights.pixel, perceptual and adversarial must be above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """What an adversarial training starts from, and what judges it."""

    start: Path
    discriminator: DiscriminatorConfig
    features: FeaturesConfig
    weights: Path
    """Those of the network of `features`."""

    def identity(self) -> Mapping[str, Any]:
        """What of this decides what weights come out."""
        return {
            "discriminator": self.discriminator,
            "features": {
                "layers": dict(self.features.layers),
                "sha256": file_sha256(self.weights),
            },
            "start": digest(load_generator(self.start)),
        }

    def step(self, config: AdversarialTraining, execution: Execution) -> GanStep:
        """The update; the discriminator has weights by torch's random numbers."""
        judge = build_discriminator(self.discriminator)
        generator = load_generator(self.start)
        network = build_features(self.features, self.weights)
        return GanStep(
            generator.train(),
            judge,
            PerceptualLoss(network, self.features.layers, DISTANCES[config.content]),
            ADVERSARIAL[config.gan],
            weights=config.weights,
            generator_optimizer=config.generator_optimizer,
            discriminator_optimizer=config.discriminator_optimizer,
            ema=config.ema,
            execution=execution,
        )


def train_adversarially(
    stage: str,
    start: Path,
    discriminator: DiscriminatorConfig,
    features: FeaturesConfig,
    config: AdversarialTraining,
    told: SemanticMaps | None = None,
) -> None:
    """Leave a generator that was trained on from `start`, the discriminator, curve and metrics."""
    contest = Contest(
        start=start,
        discriminator=discriminator,
        features=features,
        weights=find_weights(features),
    )
    identity = contest.identity()
    torch.manual_seed(config.seed)
    execution = config.execution(stage)
    step = contest.step(config, execution)
    store = PairStore(PAIRS)
    lineage = train(stage, step, store, config, execution=execution, identity=identity, told=told)
    if lineage is not None:
        target = ARTIFACTS / stage / "discriminator.safetensors"
        save_weights(target, step.discriminator.state_dict(), discriminator, lineage)
