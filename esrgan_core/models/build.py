"""Networks by their configs; a new architecture adds a case."""

from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor, nn

from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
    VGGDiscriminatorConfig,
)
from esrgan_core.models.discriminator import (
    ClassDiscriminator,
    SRGANDiscriminator,
    VGGDiscriminator,
)
from esrgan_core.models.layouts import State
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.srcnn import SRCNN
from esrgan_core.models.srresnet import SRResNet

StateDict = dict[str, Tensor]
Generator = RRDBNet | SRResNet | SRCNN | SFTNet


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


def build_network(config: GeneratorConfig, state: State, path: Path) -> Generator:
    """Build the generator of a file with its weights, in eval mode.

    Raises:
        ValueError: if arrays do not fit the network; names the file.
    """
    network = build_generator(config)
    load_state(network, to_tensors(state), path)
    return network.eval()


def to_tensors(state: State) -> StateDict:
    """Arrays as tensors that share their memory."""
    return {name: torch.from_numpy(value) for name, value in state.items()}


def load_state(network: nn.Module, state: StateDict, path: Path) -> None:
    """Load tensors into a network of the same shape.

    Raises:
        ValueError: if keys or shapes differ; names the file.
    """
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(network).__name__}: {error}") from error
