"""SRGAN: SRResNet trained on with VGG54 and a standard GAN (Ledig et al. 2017)."""

from dataclasses import dataclass, replace

from pipelines.config.artifacts import generator_path
from pipelines.stages.runner import launch
from pipelines.stages.sections import SrganTraining
from pipelines.training.adversarial import train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    srgan: SrganTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config = params.srgan
    judge = replace(config.discriminator, patch_size=config.patch_size)
    train_adversarially("srgan", generator_path("srresnet"), judge, config.features, config)


if __name__ == "__main__":
    launch("srgan", Params, run, on_every_device=True)
