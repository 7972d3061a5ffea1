"""Stage 2: fine-tune against a relativistic discriminator and a perceptual loss."""

from dataclasses import asdict, dataclass, field

import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import AdamConfig
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import GanStep, LossWeights
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.files import sha256_of
from esrgan_core.losses.adversarial import ADVERSARIAL, GanKind
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models import build_discriminator
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from esrgan_core.models.weights import digest, load_generator, save_weights
from pipelines.launch import launch
from pipelines.paths import ARTIFACTS, PAIRS, PRETRAINED
from pipelines.pretrained_features import find_weights
from pipelines.training import train
from pipelines.training_config import TrainingConfig

PAPER = AdamConfig(learning_rate=1e-4)
PERCEPTUAL = SelectConfig(metric="niqe", psnr_y_loss=2.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig(TrainingConfig):
    """Section `finetune`."""

    select: SelectConfig = PERCEPTUAL
    gan: GanKind = "relativistic_average"
    weights: LossWeights = field(default_factory=LossWeights)
    generator_optimizer: AdamConfig = PAPER
    discriminator_optimizer: AdamConfig = PAPER


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    discriminator: VGGDiscriminatorConfig
    features: FeaturesConfig
    finetune: FinetuneConfig


def run(params: Params) -> None:
    """Leave the perception-oriented generator, the discriminator, curve and metrics."""
    config = params.finetune
    torch.manual_seed(config.seed)
    execution = config.execution()
    features = find_weights(params.features)
    discriminator = build_discriminator(params.discriminator)
    generator = load_generator(PRETRAINED)
    step = GanStep(
        generator.train(),
        discriminator,
        PerceptualLoss(build_features(params.features, features), params.features.layers),
        ADVERSARIAL[config.gan],
        weights=config.weights,
        generator_optimizer=config.generator_optimizer,
        discriminator_optimizer=config.discriminator_optimizer,
        ema=config.ema,
        execution=execution,
    )
    identity = {
        "discriminator": asdict(params.discriminator),
        "features": {"layers": dict(params.features.layers), "sha256": sha256_of(features)},
        "pretrained": digest(generator),
    }
    store = PairStore(PAIRS)
    lineage = train("finetune", step, store, config, execution=execution, identity=identity)
    if lineage is not None:
        target = ARTIFACTS / "finetune" / "discriminator.safetensors"
        save_weights(target, discriminator.state_dict(), params.discriminator, lineage)


if __name__ == "__main__":
    launch("finetune", Params, run, on_every_device=True)
