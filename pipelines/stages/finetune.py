"""Stage 2: fine-tune the generator with perceptual and relativistic adversarial losses."""

from dataclasses import dataclass

from esrgan_core.features import FeaturesConfig
from esrgan_core.models.configs import VGGDiscriminatorConfig
from pipelines.config.artifacts import PRETRAINED
from pipelines.stages.runner import run_stage
from pipelines.training.adversarial import (
    AdversarialSetup,
    AdversarialTraining,
    train_adversarially,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    discriminator: VGGDiscriminatorConfig
    features: FeaturesConfig
    finetune: AdversarialTraining


def run(params: Params) -> None:
    """Write both networks, the curve and the metrics."""
    setup = AdversarialSetup(PRETRAINED, params.discriminator, params.features)
    train_adversarially("finetune", setup, params.finetune)


if __name__ == "__main__":
    run_stage("finetune", Params, run, distributed=True)
