"""LPIPS v0.1, the learned perceptual distance (Zhang et al. 2018); lower is better."""

from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.features.alexnet import alexnet_features
from esrgan_core.features.loading import load_features
from esrgan_core.features.vgg import vgg_features
from esrgan_core.metrics.errors import UnmeasurableError

LpipsNet = Literal["alex", "vgg"]
LAYERS: dict[LpipsNet, dict[str, int]] = {
    "alex": {"relu1": 64, "relu2": 192, "relu3": 384, "relu4": 256, "relu5": 256},
    "vgg": {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512},
}
MIN_SIDE = 32
"""Pixels a side below which the last layers are empty."""


class LPIPS(nn.Module):
    """Weighted distance between unit-length features of five layers (eq. 1)."""

    def __init__(self, net: LpipsNet, features: Path, linear: Path) -> None:
        """Read the backbone's ImageNet weights and LPIPS's own linear layers."""
        super().__init__()
        widths = LAYERS[net]
        self.features = (
            alexnet_features(features, widths)
            if net == "alex"
            else vgg_features("vgg16", features, widths)
        )
        self.linear = nn.ModuleDict(
            {layer: nn.Conv2d(width, 1, 1, bias=False) for layer, width in widths.items()}
        )
        keys = {f"{layer}.weight": f"lin{n}.model.1.weight" for n, layer in enumerate(widths)}
        load_features(self.linear, linear, keys)
        self.requires_grad_(requires_grad=False)
        self.eval()

    @torch.inference_mode()
    def forward(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, " b"]:
        """Per-image distance of images in [0, 1].

        Raises:
            UnmeasurableError: if a side is shorter than 32 pixels.
        """
        if min(sr.shape[-2:]) < MIN_SIDE:
            height, width = sr.shape[-2:]
            raise UnmeasurableError(f"LPIPS needs {MIN_SIDE} pixels a side, got {width}x{height}")
        of_sr, of_hr = self.features(sr), self.features(hr)
        layers = [
            linear((_unit(of_sr[layer]) - _unit(of_hr[layer])).square()).mean(dim=(1, 2, 3))
            for layer, linear in self.linear.items()
        ]
        return torch.stack(layers).sum(dim=0)


def _unit(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Every pixel's channels as a vector of length one."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
