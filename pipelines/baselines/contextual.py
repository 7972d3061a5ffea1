"""ESRGAN with the contextual loss in place of the perceptual one (Mechrez et al. 2018)."""

from dataclasses import dataclass, field, replace

from esrgan_core.features import FeaturesConfig
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from pipelines.adversarial_training import AdversarialTraining, train_adversarially
from pipelines.launch import launch
from pipelines.paths import PRETRAINED


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextualTraining(AdversarialTraining):
    """Section `contextual`."""

    discriminator: VGGDiscriminatorConfig = field(default_factory=VGGDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    contextual: ContextualTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config = params.contextual
    judge = replace(config.discriminator, patch_size=config.patch_size)
    train_adversarially("contextual", PRETRAINED, judge, config.features, config)


if __name__ == "__main__":
    launch("contextual", Params, run, on_every_device=True)
