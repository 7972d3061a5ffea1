"""SFTGAN's generator: features scaled and shifted by a semantic map (Wang et al. 2018).

Spatial feature transform, arXiv 1804.02815, section 3.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from esrgan_core.models.configs import SFTNetConfig


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class _Transform(nn.Module):
    """A scale and a shift for every feature of every pixel (eq. 4)."""

    def __init__(self, config: SFTNetConfig) -> None:
        super().__init__()
        inner, features = config.condition_features, config.num_features
        self.plus = 1.0 if config.form == "plus_one" else 0.0
        self.slope = 0.1 if config.form == "plus_one" else 0.01
        self.scale0, self.scale1 = nn.Conv2d(inner, inner, 1), nn.Conv2d(inner, features, 1)
        self.shift0, self.shift1 = nn.Conv2d(inner, inner, 1), nn.Conv2d(inner, features, 1)

    def forward(
        self, x: Float[Tensor, "b f h w"], condition: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b f h w"]:
        scale = self.scale1(F.leaky_relu(self.scale0(condition), self.slope))
        shift = self.shift1(F.leaky_relu(self.shift0(condition), self.slope))
        return x * (scale + self.plus) + shift


class _Block(nn.Module):
    """A residual block with a transform before each convolution."""

    def __init__(self, config: SFTNetConfig) -> None:
        super().__init__()
        features = config.num_features
        self.sft0, self.conv0 = _Transform(config), _conv(features, features)
        self.sft1, self.conv1 = _Transform(config), _conv(features, features)

    def forward(
        self, x: Float[Tensor, "b f h w"], condition: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b f h w"]:
        inner = F.relu(self.conv0(self.sft0(x, condition)))
        return x + self.conv1(self.sft1(inner, condition))


class SFTNet(nn.Module):
    """LR and a semantic map to SR."""

    def __init__(self, config: SFTNetConfig) -> None:
        super().__init__()
        self.config = config
        features, wide = config.num_features, 4 * config.condition_features
        layers: list[nn.Module] = [nn.Conv2d(config.num_classes, wide, 4, stride=4)]
        for _ in range(3):
            layers += [nn.LeakyReLU(0.1), nn.Conv2d(wide, wide, 1)]
        layers += [nn.LeakyReLU(0.1), nn.Conv2d(wide, config.condition_features, 1)]
        self.condition = nn.Sequential(*layers)
        self.conv_first = _conv(3, features)
        self.body = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.sft_body, self.conv_body = _Transform(config), _conv(features, features)
        self.tail = nn.Sequential(
            _conv(features, 4 * features), nn.PixelShuffle(2), nn.ReLU(),
            _conv(features, 4 * features), nn.PixelShuffle(2), nn.ReLU(),
            _conv(features, features), nn.ReLU(), _conv(features, 3),
        )  # fmt: skip
        # for esrgan_core.inference.tiling
        self.fold = 1
        self.trunk_reach, self.tail_reach = 2 * config.num_blocks + 2, 3
        self.trunk_numbers = 6.0 * features + 16 * (config.num_classes + wide)
        self.tail_numbers = 3.0 * features * config.scale**2

    def forward(
        self, lr: Float[Tensor, "b 3 h w"], semantic_map: Float[Tensor, "b k ch cw"]
    ) -> Float[Tensor, "b 3 4*h 4*w"]:
        """Upscale images in [0, 1] four times; the output is not clipped.

        The semantic map has the size of `lr` or of the result.
        """
        sr: Tensor = self.tail(self.trunk(lr, semantic_map))
        return sr

    def trunk(
        self, lr: Float[Tensor, "b 3 h w"], semantic_map: Float[Tensor, "b k ch cw"]
    ) -> Float[Tensor, "b f h w"]:
        """Features at LR size."""
        kind = self.conv_first.weight.dtype
        lr, semantic_map = lr.to(kind), semantic_map.to(kind)
        if semantic_map.shape[-2:] == lr.shape[-2:]:
            semantic_map = F.interpolate(semantic_map, scale_factor=4, mode="nearest")
        condition = self.condition(semantic_map)
        first = x = self.conv_first(lr)
        for block in self.body:
            x = block(x, condition)
        features: Tensor = first + self.conv_body(self.sft_body(x, condition))
        return features
