"""SRGAN: SRResNet trained on with VGG54 and a standard GAN (Ledig et al. 2017)."""

from dataclasses import dataclass, field, replace

from esrgan_core.features import FeaturesConfig
from esrgan_core.models.discriminator import SRGANDiscriminatorConfig
from pipelines.adversarial_training import AdversarialTraining, train_adversarially
from pipelines.launch import launch
from pipelines.paths import generator_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SrganTraining(AdversarialTraining):
    """Section `srgan`."""

    discriminator: SRGANDiscriminatorConfig = field(default_factory=SRGANDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    srgan: SrganTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config = params.srgan
    judge = replace(config.discriminator, patch_size=config.patch_size)
    train_adversarially("srgan", generator_of("srresnet"), judge, config.features, config)


if __name__ == "__main__":
    launch("srgan", Params, run, on_every_device=True)
