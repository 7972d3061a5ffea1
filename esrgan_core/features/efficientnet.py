"""EfficientNet-Lite0's blocks as perceptual features (Tan and Le 2019; TensorFlow's Lite variant).

Its blocks end in a linear projection, so every slice is "before activation". Unlike the paper's
VGG19, it is small enough for a laptop.
"""

from collections.abc import Iterable
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from esrgan_core.features.loading import load_features, select_layers

# (blocks, kernel, stride, expansion, inputs, outputs) of each group
_GROUPS = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class _SamePadded(nn.Conv2d):
    """A convolution with TensorFlow's padding: an odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(
            x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def _names(number: int) -> list[str]:
    """Layers of a block, in order; the first block does not expand its input."""
    inner = [f"expand{number}", f"expand{number}_relu"] if number else []
    return [*inner, f"block{number}"]


def layer_names() -> list[str]:
    """Names of all layers, in order."""
    blocks = sum(times for times, *_ in _GROUPS)
    return [name for number in range(blocks) for name in _names(number)]


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class _Block(nn.Module):
    """Expand, convolve each channel, project; attributes are named as in the weights."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _SamePadded(
            inner, inner, kernel, stride=stride, groups=inner, bias=False
        )
        self._bn1 = _norm(inner)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.expands = expansion > 1
        self.skips = stride == 1 and inputs == outputs

    def expanded(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
        """The expanded features before their activation."""
        wide: Tensor = self._bn0(self._expand_conv(x))
        return wide

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        inner = F.relu6(self.expanded(x)) if self.expands else x
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        out = self._bn2(self._project_conv(inner))
        return x + out if self.skips else out


class EfficientNetLite0Features(nn.Module):
    """Outputs of chosen blocks, `block0` to `block15`; frozen, always in eval mode.

    Blocks from `block1` expand their input first: `expand1` to `expand15` are the expansions before
    the activation, `expand1_relu` to `expand15_relu` after it.
    """

    def __init__(self, weights: Path, layers: Iterable[str]) -> None:
        """Read ImageNet weights in the key layout of `efficientnet_lite_pytorch`."""
        super().__init__()
        blocks = [
            _Block(kernel, stride if first else 1, expansion, inputs if first else outputs, outputs)
            for times, kernel, stride, expansion, inputs, outputs in _GROUPS
            for first in [True] + [False] * (times - 1)
        ]
        self.layers, _ = select_layers("EfficientNet-Lite0", layer_names(), layers)
        last = max(n for n in range(len(blocks)) if self.layers & set(_names(n)))
        self._conv_stem = _SamePadded(3, 32, 3, stride=2, bias=False)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(blocks[: last + 1])
        load_features(self, weights)
        self.requires_grad_(requires_grad=False)
        self.train()

    def train(self, mode: bool = True) -> "EfficientNetLite0Features":
        """Stay in eval mode: the statistics are ImageNet's."""
        del mode
        return super().train(mode=False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """Features of images in [0, 1] by layer name."""
        x = F.relu6(self._bn0(self._conv_stem((image * 255 - 127) / 128)))
        found: dict[str, Tensor] = {}
        for number, block in enumerate(self._blocks):
            assert isinstance(block, _Block)
            if self.layers & {f"expand{number}", f"expand{number}_relu"}:
                wide = block.expanded(x)
                found |= {f"expand{number}": wide, f"expand{number}_relu": F.relu6(wide)}
            x = block(x)
            found[f"block{number}"] = x
        return {name: features for name, features in found.items() if name in self.layers}
