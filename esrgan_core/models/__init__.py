"""Networks; a new architecture adds its config to the union and a case to the builder."""

from typing import assert_never

from torch import nn

from esrgan_core.models.discriminator import (
    ClassDiscriminator,
    ClassDiscriminatorConfig,
    SRGANDiscriminator,
    SRGANDiscriminatorConfig,
    VGGDiscriminator,
    VGGDiscriminatorConfig,
)
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.sft import SFTNet, SFTNetConfig
from esrgan_core.models.srcnn import SRCNN, SRCNNConfig
from esrgan_core.models.srresnet import SRResNet, SRResNetConfig

GeneratorConfig = RRDBNetConfig | SRResNetConfig | SRCNNConfig | SFTNetConfig
Generator = RRDBNet | SRResNet | SRCNN | SFTNet
DiscriminatorConfig = VGGDiscriminatorConfig | SRGANDiscriminatorConfig | ClassDiscriminatorConfig


def build_generator(config: GeneratorConfig) -> Generator:
    """The untrained network of `config`."""
    match config:
        case RRDBNetConfig():
            return RRDBNet(config)
        case SRResNetConfig():
            return SRResNet(config)
        case SRCNNConfig():
            return SRCNN(config)
        case SFTNetConfig():
            return SFTNet(config)
        case _:
            assert_never(config)


def build_discriminator(config: DiscriminatorConfig) -> nn.Module:
    """The untrained discriminator of `config`."""
    match config:
        case VGGDiscriminatorConfig():
            return VGGDiscriminator(config)
        case SRGANDiscriminatorConfig():
            return SRGANDiscriminator(config)
        case ClassDiscriminatorConfig():
            return ClassDiscriminator(config)
        case _:
            assert_never(config)
