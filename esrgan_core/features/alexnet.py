"""AlexNet's convolutions (Krizhevsky 2014, torchvision's form), which LPIPS compares."""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.features.state import IMAGENET_MEAN, IMAGENET_STD, chosen, load_features

# (inputs, outputs, kernel, stride, padding, is there a pooling before it)
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


class AlexNetFeatures(nn.Module):
    """Outputs of chosen layers, `conv1` to `relu5`; frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path, layers: Iterable[str]) -> None:
        """Read ImageNet weights under torchvision's keys, `features.N.weight`.

        Raises:
            FileNotFoundError: if there are no weights.
            ValueError: if a layer is unknown, or the file is not of this network.
        """
        super().__init__()
        every = _layers()
        self.layers, last = chosen("AlexNet", list(every), layers)
        self.names = list(every)[: last + 1]
        self.features = nn.Sequential(*(every[name] for name in self.names))
        load_features(self, weights)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
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
