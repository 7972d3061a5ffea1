"""AlexNet's convolutions for LPIPS (Krizhevsky 2014, torchvision's form)."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from esrgan_core.features.loading import load_features
from esrgan_core.features.sequential import SequentialFeatures

# (inputs, outputs, kernel, stride, padding, has a pooling before)
_CONVOLUTIONS = (
    (3, 64, 11, 4, 2, False),
    (64, 192, 5, 1, 2, True),
    (192, 384, 3, 1, 1, True),
    (384, 256, 3, 1, 1, False),
    (256, 256, 3, 1, 1, False),
)


def _layers() -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    for number, (inputs, outputs, kernel, stride, padding, pooled) in enumerate(_CONVOLUTIONS, 1):
        if pooled:
            layers[f"pool{number - 1}"] = nn.MaxPool2d(3, stride=2)
        layers[f"conv{number}"] = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        layers[f"relu{number}"] = nn.ReLU()
    return layers


def alexnet_features(weights: Path, layers: Iterable[str]) -> SequentialFeatures:
    """AlexNet up to the last of `layers` (`conv1` to `relu5`), with ImageNet weights.

    The file's keys are torchvision's, `features.N.weight`.

    Raises:
        FileNotFoundError: if there are no weights.
        ValueError: if a layer is unknown, or the file is not of this network.
    """
    network = SequentialFeatures("AlexNet", _layers(), layers)
    load_features(network, weights)
    return network
