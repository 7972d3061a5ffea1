"""Networks whose inner activations the perceptual losses and metrics compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from torch import nn

from esrgan_core.features.efficientnet import EfficientNetLite0Features
from esrgan_core.features.vgg import vgg_features


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesConfig:
    """Which network, which of its layers and how much each counts."""

    network: Literal["vgg19", "vgg16", "minc", "efficientnet_lite0"] = "vgg19"
    weights: str = ""
    """Path of the weights file; empty for the published one, downloaded once."""
    layers: Mapping[str, float] = field(default_factory=lambda: {"conv5_4": 1.0})
    """Weight of each layer in the perceptual loss."""

    def __post_init__(self) -> None:
        """Refuse an empty choice."""
        if not self.layers:
            raise ValueError("layers must name at least one layer")


def build_features(config: FeaturesConfig, weights: Path) -> nn.Module:
    """The frozen network that `config` describes, its weights read from `weights`."""
    match config.network:
        case "vgg19" | "vgg16" | "minc":
            return vgg_features(config.network, weights, config.layers)
        case "efficientnet_lite0":
            return EfficientNetLite0Features(weights, config.layers)
        case _:
            assert_never(config.network)
