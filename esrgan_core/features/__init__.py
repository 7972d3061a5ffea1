"""Networks whose activations the perceptual losses and metrics compare."""

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
    """A network, its layers to compare, and their weights."""

    network: FeatureNetwork = "vgg19"
    weights: str = ""
    """Path of the weights file; empty to download the published one."""
    layers: Mapping[str, float] = field(default_factory=lambda: {"conv5_4": 1.0})
    """Weight of each layer in the perceptual loss."""

    def __post_init__(self) -> None:
        names = (
            efficientnet.layer_names()
            if self.network == "efficientnet_lite0"
            else vgg.layer_names(self.network)
        )
        select_layers(self.network, names, self.layers)
        check_bounds(self, "layers")
        if not any(self.layers.values()):
            raise ValueError(f"layers must have a weight above 0, got {dict(self.layers)}")


def build_features(config: FeaturesConfig, weights: Path) -> nn.Module:
    """The frozen network of `config`, with weights read from a file.

    Raises:
        FileNotFoundError: if there are no weights.
        ValueError: if the file is not of this network.
    """
    match config.network:
        case "vgg19" | "vgg16" | "minc":
            return vgg.vgg_features(config.network, weights, config.layers)
        case "efficientnet_lite0":
            return efficientnet.EfficientNetLite0Features(weights, config.layers)
        case _:
            assert_never(config.network)
