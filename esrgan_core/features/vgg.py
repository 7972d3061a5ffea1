"""VGG's convolutions as perceptual features (Simonyan and Zisserman 2015), by published name.

`conv5_4` is before activation (ESRGAN), `relu5_4` after it (SRGAN). `minc` is VGG16 trained to
classify materials (Bell et al. 2015), for ESRGAN's entry to PIRM 2018 (section 4.6): its images
are not normalized, its poolings keep an odd last row, and its keys differ.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from torch import nn

from esrgan_core.features.loading import load_features
from esrgan_core.features.sequential import SequentialFeatures

VggKind = Literal["vgg19", "vgg16", "minc"]
WIDTHS = (64, 128, 256, 512, 512)
# convolutions per stage, between max-poolings
_STAGES: Mapping[VggKind, tuple[int, ...]] = {
    "vgg19": (2, 2, 4, 4, 4),
    "vgg16": (2, 2, 3, 3, 3),
    "minc": (2, 2, 3, 3, 3),
}


def vgg_layers(kind: VggKind) -> dict[str, nn.Module]:
    """The layers of a network by name, untrained."""
    layers: dict[str, nn.Module] = {}
    inputs = 3
    for name in layer_names(kind):
        if name.startswith("conv"):
            width = WIDTHS[int(name[4]) - 1]
            layers[name] = nn.Conv2d(inputs, width, 3, padding=1)
            inputs = width
        elif name.startswith("relu"):
            layers[name] = nn.ReLU()
        else:
            layers[name] = nn.MaxPool2d(2, ceil_mode=kind == "minc")
    return layers


def layer_names(kind: VggKind) -> list[str]:
    """Names of all layers, in torchvision's order."""
    names: list[str] = []
    for stage, times in enumerate(_STAGES[kind], start=1):
        for number in range(1, times + 1):
            names += [f"conv{stage}_{number}", f"relu{stage}_{number}"]
        names.append(f"pool{stage}")
    return names


def vgg_features(kind: VggKind, weights: Path, layers: Iterable[str]) -> SequentialFeatures:
    """A network up to the last of `layers`, with its published weights.

    The file's keys are torchvision's, `features.N.weight`; MINC's are `conv11.weight` and so on.
    """
    stack = vgg_layers(kind)
    if kind != "minc":
        network = SequentialFeatures(kind, stack, layers)
        load_features(network, weights)
        return network
    network = SequentialFeatures(kind, stack, layers, mean=(0, 0, 0), std=(1, 1, 1))
    keys = {
        f"features.{index}.{part}": f"{name.replace('_', '')}.{part}"
        for index, name in enumerate(network.names)
        if name.startswith("conv")
        for part in ("weight", "bias")
    }
    load_features(network, weights, keys)
    return network
