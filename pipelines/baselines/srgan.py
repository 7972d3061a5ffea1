"""SRGAN: SRResNet fine-tuned with VGG54 and a standard GAN (Ledig et al. 2017)."""

from dataclasses import dataclass, replace

from esrgan_core.models.configs import SRResNetConfig
from pipelines.config.artifacts import generator_path
from pipelines.stages.runner import run_stage
from pipelines.stages.sections import SrganTraining
from pipelines.training.adversarial import find_setup, train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    srgan: SrganTraining


def run(params: Params) -> None:
    """Write both networks, the curve and the metrics."""
    config = params.srgan
    discriminator = replace(config.discriminator, patch_size=config.patch_size)
    setup = find_setup(
        "srgan", config, discriminator, config.features,
        earlier=generator_path("srresnet"), kind=SRResNetConfig,
    )  # fmt: skip
    train_adversarially("srgan", setup, config)


if __name__ == "__main__":
    run_stage("srgan", Params, run, distributed=True)
