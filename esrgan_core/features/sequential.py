"""A frozen stack of layers that returns the outputs of some."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.features.loading import select_layers

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class SequentialFeatures(nn.Module):
    """Outputs of selected layers; the stack is `features`, numbered as in torchvision."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: str,
        stack: Mapping[str, nn.Module],
        layers: Iterable[str],
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        """Use the stack up to the last of `layers`; images are normalized by mean and std.

        Raises:
            ValueError: if a layer is unknown.
        """
        super().__init__()
        self.layers, last = select_layers(network, list(stack), layers)
        self.names = list(stack)[: last + 1]
        self.features = nn.Sequential(*(stack[name] for name in self.names))
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
