"""Networks; a new architecture adds its config to the union and a case to the builder."""

from typing import assert_never

from torch import nn

from esrgan_core.models.discriminator import (
    SRGANDiscriminator,
    SRGANDiscriminatorConfig,
    VGGDiscriminator,
    VGGDiscriminatorConfig,
)
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.srcnn import SRCNN, SRCNNConfig
from esrgan_core.models.srresnet import SRResNet, SRResNetConfig

GeneratorConfig = RRDBNetConfig | SRResNetConfig | SRCNNConfig
Generator = RRDBNet | SRResNet | SRCNN
DiscriminatorConfig = VGGDiscriminatorConfig | SRGANDiscriminatorConfig


def build_generator(config: GeneratorConfig) -> Generator:
    """The untrained network that `config` describes."""
    match config:
        case RRDBNetConfig():
            return RRDBNet(config)
        case SRResNetConfig():
            return SRResNet(config)
        case SRCNNConfig():
            return SRCNN(config)
        case _:
            assert_never(config)


def build_discriminator(config: DiscriminatorConfig) -> nn.Module:
    """The untrained discriminator that `config` describes."""
    match config:
        case VGGDiscriminatorConfig():
            return VGGDiscriminator(config)
        case SRGANDiscriminatorConfig():
            return SRGANDiscriminator(config)
        case _:
            assert_never(config)
