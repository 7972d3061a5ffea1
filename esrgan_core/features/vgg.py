"""VGG19's convolutions as perceptual features (Simonyan and Zisserman 2015), by published name."""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

# convolutions per stage and their width, between max-poolings
_STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def _layers() -> tuple[list[str], list[nn.Module]]:
    names: list[str] = []
    modules: list[nn.Module] = []
    inputs = 3
    for stage, (times, width) in enumerate(_STAGES, start=1):
        for number in range(1, times + 1):
            names += [f"conv{stage}_{number}", f"relu{stage}_{number}"]
            modules += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        names.append(f"pool{stage}")
        modules.append(nn.MaxPool2d(2))
    return names, modules


class VGG19Features(nn.Module):
    """Outputs of chosen layers: `conv5_4` is before activation (ESRGAN), `relu5_4` after it."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path, layers: Iterable[str]) -> None:
        """Read ImageNet weights under torchvision's keys, `features.N.weight`.

        Raises:
            ValueError: if a layer is unknown.
            FileNotFoundError: if there are no weights.
        """
        super().__init__()
        names, modules = _layers()
        self.layers = frozenset(layers)
        if unknown := self.layers - set(names):
            raise ValueError(f"VGG19 has no {sorted(unknown)}; it has {names}")
        if not weights.is_file():
            raise FileNotFoundError(
                f"no VGG19 weights at {weights}; fetch "
                "https://download.pytorch.org/models/vgg19-dcbd9e9d.pth and put it there"
            )
        last = max(names.index(layer) for layer in self.layers)
        self.names = names[: last + 1]
        self.features = nn.Sequential(*modules[: last + 1])
        state = torch.load(weights, map_location="cpu", weights_only=True)
        self.load_state_dict({key: state[key] for key in self.state_dict()})
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
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
