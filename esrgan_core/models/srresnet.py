"""SRResNet, SRGAN's generator (Ledig et al. 2017, arXiv 1609.04802, figure 4)."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.models.configs import SRResNetConfig


def _conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class _Block(nn.Module):
    """Two normalized convolutions and a residual."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _conv(features, features),
            nn.BatchNorm2d(features),
            nn.PReLU(),
            _conv(features, features),
            nn.BatchNorm2d(features),
        )

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
        return x + self.inner(x)


class SRResNet(nn.Module):
    """LR to SR: blocks with batch normalization at LR size, then sub-pixel convolutions.

    The output is in [0, 1], in the paper in [-1, 1]: a constant factor of the mean squared error.
    """

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        features = config.num_features
        self.head = nn.Sequential(_conv(3, features, 9), nn.PReLU())
        self.body = nn.Sequential(*(_Block(features) for _ in range(config.num_blocks)))
        self.after_body = nn.Sequential(_conv(features, features), nn.BatchNorm2d(features))
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(config.scale))):
            layers += [_conv(features, 4 * features), nn.PixelShuffle(2), nn.PReLU()]
        self.tail = nn.Sequential(*layers, _conv(features, 3, 9))
        # for esrgan_core.inference.tiling
        self.fold = 1
        self.trunk_reach, self.tail_reach = 4 + 2 * config.num_blocks + 1, 3
        self.trunk_numbers = 5.0 * features
        self.tail_numbers = 3.0 * features * config.scale**2

    def forward(
        self, lr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 {self.config.scale}*h {self.config.scale}*w"]:
        """Upscale images in [0, 1] by `config.scale`; the output is not clipped."""
        sr: Tensor = self.tail(self.trunk(lr))
        return sr

    def trunk(self, lr: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f h w"]:
        """Features at LR size."""
        first = self.head(lr.to(next(self.parameters()).dtype))
        features: Tensor = first + self.after_body(self.body(first))
        return features
