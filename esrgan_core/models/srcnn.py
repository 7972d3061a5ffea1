"""SRCNN (Dong et al. 2014, arXiv 1501.00092): three convolutions on bicubic luma."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from esrgan_core.models.configs import SRCNNConfig
from esrgan_core.tensors import EDGE, enlarge, rgb_to_y

CHROMA_KEPT = 255 / 219
"""Step of R, G and B per step of studio luma with constant chroma."""


class SRCNN(nn.Module):
    """Enlarges bicubically, then corrects luma; chroma stays bicubic, as published."""

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.config = config
        (first, second, third), (wide, narrow) = config.kernels, config.num_features
        self.conv1 = _conv(1, wide, first)
        self.conv2 = _conv(wide, narrow, second)
        self.conv3 = _conv(narrow, 1, third)
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.normal_(conv.weight, std=1e-3)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # all of ours have one
        # for esrgan_core.inference.tiling
        self.fold, self.trunk_reach = 1, 0
        self.tail_reach = EDGE + -(-(first // 2 + second // 2 + third // 2) // config.scale)
        self.trunk_numbers = 3.0
        self.tail_numbers = float((2 * wide + narrow + 8) * config.scale**2)

    def forward(
        self, lr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 {self.config.scale}*h {self.config.scale}*w"]:
        """Upscale images in [0, 1] by `config.scale`; the output is not clipped."""
        return self.tail(self.trunk(lr))

    def trunk(self, lr: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The images themselves: this network computes nothing at LR size."""
        return lr

    def tail(
        self, lr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 {self.config.scale}*h {self.config.scale}*w"]:
        """The whole network."""
        bicubic = enlarge(lr, self.config.scale)
        luma = rgb_to_y(bicubic)
        kind = self.conv1.weight.dtype
        inner = F.relu(self.conv2(F.relu(self.conv1(luma.to(kind)))))
        return bicubic + CHROMA_KEPT * (self.conv3(inner) - luma)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    # the border of the published test code
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate")
