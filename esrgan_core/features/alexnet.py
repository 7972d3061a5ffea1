"""AlexNet's convolutions for LPIPS (Krizhevsky 2014, torchvision's form)."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from esrgan_core.features.loading import load_features
from esrgan_core.features.sequential import SequentialFeatures


def _layers() -> dict[str, nn.Module]:
    return {
        "conv1": nn.Conv2d(3, 64, 11, stride=4, padding=2),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(3, stride=2),
        "conv2": nn.Conv2d(64, 192, 5, padding=2),
        "relu2": nn.ReLU(),
        "pool2": nn.MaxPool2d(3, stride=2),
        "conv3": nn.Conv2d(192, 384, 3, padding=1),
        "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(384, 256, 3, padding=1),
        "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(256, 256, 3, padding=1),
        "relu5": nn.ReLU(),
    }


def alexnet_features(weights: Path, layers: Iterable[str]) -> SequentialFeatures:
    """AlexNet up to the last of `layers` (`conv1` to `relu5`), with ImageNet weights.

    The file's keys are torchvision's, `features.N.weight`.
    """
    network = SequentialFeatures("AlexNet", _layers(), layers)
    load_features(network, weights)
    return network
