"""Networks whose result is known."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet

SMALL = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr")


class Nearest(RRDBNet):
    """Repeats every pixel; at scale 1 it changes nothing."""

    def __init__(self, scale: int) -> None:
        super().__init__(RRDBNetConfig(scale=scale, num_features=1, num_blocks=1))
        self.fold, self.trunk_reach, self.tail_reach = 1, 0, 0

    def trunk(self, lr: Tensor) -> Tensor:
        return lr

    def tail(self, features: Tensor) -> Tensor:
        return interpolate(features, scale_factor=self.config.scale, mode="nearest")


class WrongInHalf(RRDBNet):
    """Gives `factor` times what it should in half precision."""

    def __init__(self, factor: float) -> None:
        super().__init__(SMALL)
        self.factor = factor
        self.conv_last.bias.data.add_(0.5)  # type: ignore[union-attr]  # it has one

    def tail(self, features: Tensor) -> Tensor:
        sr = super().tail(features)
        return sr * self.factor if sr.dtype == torch.bfloat16 else sr


def lively(config: RRDBNetConfig) -> RRDBNet:
    """A network in which every weight and statistic matters."""
    torch.manual_seed(0)
    network = RRDBNet(config).eval()
    for weights in network.parameters():
        weights.data.add_(0.05 * torch.randn_like(weights))
    for statistics in network.buffers():
        if statistics.is_floating_point():
            statistics.data.uniform_(0.5, 1.5)
    return network
