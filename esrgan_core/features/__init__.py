"""Networks whose inner activations the perceptual losses and metrics compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from torch import nn

from esrgan_core.bounds import check_bounds
from esrgan_core.features import efficientnet, vgg
from esrgan_core.features.loading import select_layers

FeatureNetwork = Literal["vgg19", "vgg16", "minc", "efficientnet_lite0"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesConfig:
    """Which network, which of its layers and how much each counts."""

    network: FeatureNetwork = "vgg19"
    weights: str = ""
    """Path of the weights file; empty for the published one, downloaded once."""
    layers: Mapping[str, float] = field(default_factory=lambda: {"conv5_4": 1.0})
    """Weight of each layer in the perceptual loss."""

    def __post_init__(self) -> None:
        """Refuse layers that the network does not have, and weights that compare nothing."""
        select_layers(self.network, layer_names(self.network), self.layers)
        check_bounds(self, "layers")
        if not any(self.layers.values()):
            raise ValueError(f"layers must have a weight above 0, got {dict(self.layers)}")


def layer_names(network: FeatureNetwork) -> list[str]:
    """Names of a network's layers in order."""
    if network == "efficientnet_lite0":
        return efficientnet.layer_names()
    return vgg.layer_names(network)


def build_features(config: FeaturesConfig, weights: Path) -> nn.Module:
    """The frozen network that `config` describes, its weights read from `weights`."""
    match config.network:
        case "vgg19" | "vgg16" | "minc":
            return vgg.vgg_features(config.network, weights, config.layers)
        case "efficientnet_lite0":
            return efficientnet.EfficientNetLite0Features(weights, config.layers)
        case _:
            assert_never(config.network)
