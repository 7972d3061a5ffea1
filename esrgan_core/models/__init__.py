"""Networks; a new architecture adds its config to the union and a case to the builder."""

from typing import assert_never

from torch import nn

from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig

GeneratorConfig = RRDBNetConfig
DiscriminatorConfig = VGGDiscriminatorConfig


def build_generator(config: GeneratorConfig) -> RRDBNet:
    """The untrained network that `config` describes."""
    match config:
        case RRDBNetConfig():
            return RRDBNet(config)
        case _:
            assert_never(config)


def build_discriminator(config: DiscriminatorConfig) -> nn.Module:
    """The untrained discriminator that `config` describes."""
    match config:
        case VGGDiscriminatorConfig():
            return VGGDiscriminator(config)
        case _:
            assert_never(config)
