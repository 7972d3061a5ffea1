"""VGG's convolutions as perceptual features (Simonyan and Zisserman 2015), by published name.

`conv5_4` is before activation (ESRGAN), `relu5_4` after it (SRGAN). `minc` is VGG16 trained to
tell materials (Bell et al. 2015), for ESRGAN's entry to PIRM 2018 (section 4.6): its pictures
are not normalised, its poolings keep an odd last row, and its keys are its own.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.features.state import IMAGENET_MEAN, IMAGENET_STD, chosen, load_features

VggKind = Literal["vgg19", "vgg16", "minc"]
WIDTHS = (64, 128, 256, 512, 512)
# convolutions per stage, between max-poolings
_STAGES: Mapping[VggKind, tuple[int, ...]] = {
    "vgg19": (2, 2, 4, 4, 4),
    "vgg16": (2, 2, 3, 3, 3),
    "minc": (2, 2, 3, 3, 3),
}


def _layers(kind: VggKind) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    inputs = 3
    for stage, (times, width) in enumerate(zip(_STAGES[kind], WIDTHS, strict=True), start=1):
        for number in range(1, times + 1):
            layers[f"conv{stage}_{number}"] = nn.Conv2d(inputs, width, 3, padding=1)
            layers[f"relu{stage}_{number}"] = nn.ReLU()
            inputs = width
        layers[f"pool{stage}"] = nn.MaxPool2d(2, ceil_mode=kind == "minc")
    return layers


def layer_names(kind: VggKind) -> list[str]:
    """Names of all layers in order; torchvision numbers them so."""
    return list(_layers(kind))


class VGGFeatures(nn.Module):
    """Outputs of chosen layers of one of the networks; frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self, kind: VggKind, weights: Path, layers: Iterable[str]) -> None:
        """Read weights under torchvision's keys, `features.N.weight`; MINC's are `conv11.weight`.

        Raises:
            FileNotFoundError: if there are no weights.
            ValueError: if a layer is unknown, or the file is not of this network.
        """
        super().__init__()
        every = _layers(kind)
        self.layers, last = chosen(kind, list(every), layers)
        self.names = list(every)[: last + 1]
        self.features = nn.Sequential(*(every[name] for name in self.names))
        keys = {
            f"{index}.{part}": f"{name.replace('_', '') if kind == 'minc' else index}.{part}"
            for index, name in enumerate(self.names)
            if name.startswith("conv")
            for part in ("weight", "bias")
        }
        prefix = "" if kind == "minc" else "features."
        load_features(self.features, weights, {ours: prefix + key for ours, key in keys.items()})
        plain = kind == "minc"
        mean, std = ([0.0] * 3, [1.0] * 3) if plain else (IMAGENET_MEAN, IMAGENET_STD)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.requires_grad_(requires_grad=False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """Features of images in [0, 1] by layer name."""
        x = (image - self.mean) / self.std
        found: dict[str, Tensor] = {}
        for name, layer in zip(self.names, self.features, strict=True):
            x = layer(x)
            if name in self.layers:
                found[name] = x
        return found
