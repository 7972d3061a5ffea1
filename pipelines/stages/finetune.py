"""Stage 2: fine-tune against a relativistic discriminator and a perceptual loss."""

from dataclasses import dataclass

from esrgan_core.features import FeaturesConfig
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from pipelines.config.artifacts import PRETRAINED
from pipelines.stages.runner import launch
from pipelines.training.adversarial import AdversarialTraining, train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    discriminator: VGGDiscriminatorConfig
    features: FeaturesConfig
    finetune: AdversarialTraining


def run(params: Params) -> None:
    """Leave the perception-oriented generator, the discriminator, curve and metrics."""
    train_adversarially(
        "finetune", PRETRAINED, params.discriminator, params.features, params.finetune
    )


if __name__ == "__main__":
    launch("finetune", Params, run, on_every_device=True)
