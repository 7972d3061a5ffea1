"""Training of a generator with perceptual and adversarial losses, from pretrained weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from esrgan_core.bounds import check_bounds
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
from esrgan_core.models.build import build_discriminator
from esrgan_core.models.configs import DiscriminatorConfig, GeneratorConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.weights import load_discriminator
from pipelines.config.artifacts import PAIRS
from pipelines.config.errors import UserError
from pipelines.evaluation.start import check_scale, starting_network
from pipelines.sources.pinned import find_pinned, split_pinned
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
    discriminator_start: str = ""
    """A file of weights of the discriminator with its hash; empty for random weights."""

    def __post_init__(self) -> None:
        TrainingConfig.__post_init__(self)
        check_bounds(self, "steps", least=1)
        if not (self.weights.pixel or self.weights.perceptual or self.weights.adversarial):
            raise ValueError("one of weights.pixel, perceptual and adversarial must be above 0")


@dataclass(frozen=True, slots=True)
class AdversarialSetup:
    """The networks of an adversarial training."""

    start: NetworkState
    """The generator to start from."""
    discriminator: DiscriminatorConfig
    features: FeaturesConfig
    discriminator_start: Path | None = None
    """A file of weights; None for random weights."""

    def identity(self) -> Mapping[str, Any]:
        """The part of a training's identity that the networks decide."""
        sha256 = file_sha256(find_weights(self.features))
        identity = {
            "discriminator": self.discriminator,
            "features": {"layers": dict(self.features.layers), "sha256": sha256},
            "start": self.start.digest,
        }
        if self.discriminator_start:
            identity["discriminator_start"] = file_sha256(self.discriminator_start)
        return identity

    def build_step(self, config: AdversarialTraining, execution: Execution) -> GanStep:
        """Build the update; the discriminator gets random weights from torch's generator."""
        discriminator = build_discriminator(self.discriminator)
        if self.discriminator_start:
            load_discriminator(discriminator, self.discriminator_start)
        generator = self.start.build().train()
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


def find_setup(
    stage: str,
    config: AdversarialTraining,
    discriminator: DiscriminatorConfig,
    features: FeaturesConfig,
    *,
    earlier: Path,
    kind: type[GeneratorConfig],
) -> AdversarialSetup:
    """The networks of a stage, which starts from those that `config` names.

    Its own generator is that of an earlier stage, a network of this kind.

    Raises:
        UserError: if a network cannot be used.
    """
    start = starting_network(stage, config.start, earlier, kind)
    check_scale(stage, start.config, PairStore(PAIRS).facts.scale)
    value = config.discriminator_start
    try:
        path = find_pinned(value) if value else None
    except (OSError, ValueError) as error:
        uri = split_pinned(value)[0]
        raise UserError(f"{stage}.discriminator_start = {uri}: {error}") from error
    return AdversarialSetup(start, discriminator, features, path)


def train_adversarially(
    stage: str,
    setup: AdversarialSetup,
    config: AdversarialTraining,
    semantic_maps: SemanticMaps | None = None,
) -> bool:
    """Train a generator further; write both networks, the curve and the metrics.

    Returns:
        Whether this process wrote them: of several, the main one does.
    """
    return train(
        stage,
        partial(setup.build_step, config),
        config,
        identity=setup.identity(),
        start=setup.start,
        semantic_maps=semantic_maps,
    )
