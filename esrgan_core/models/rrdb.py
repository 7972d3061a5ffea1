"""The generator of ESRGAN: residual-in-residual dense blocks (Wang et al. 2018, section 3.1)."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it
from torch.utils.checkpoint import checkpoint

from esrgan_core.bounds import check_bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class RRDBNetConfig:
    """Shape of the generator; the defaults are the paper's x4 network."""

    scale: int = 4
    unshuffle: int | None = None
    """Side of the blocks of pixels that become channels first; None is BasicSR's: 4 at scale 1, 2
    at scale 2, else 1. Scale 2 with 1 is BSRGAN's, with a single upsampling."""
    num_features: int = 64
    num_blocks: int = 23
    growth_channels: int = 32
    residual_scale: float = 0.2
    init: Literal["paper", "basicsr"] = "paper"
    """`paper`: MSRA x 0.1 on all convolutions; `basicsr`: on those of the blocks only."""
    block: Literal["rrdb", "residual"] = "rrdb"
    """`residual`: SRResNet's block of two convolutions instead of each RRDB."""
    batch_norm: bool = False
    """Normalize after each convolution of the blocks, which the paper removes (section 3.1)."""

    def __post_init__(self) -> None:
        if self.scale not in (1, 2, 4, 8, 16):
            raise ValueError(f"scale must be 1, 2, 4, 8 or 16, got {self.scale}")
        if self.unshuffle not in (None, 1, 2, 4):
            raise ValueError(f"unshuffle must be 1, 2 or 4, got {self.unshuffle}")
        check_bounds(self, "num_features", "num_blocks", "growth_channels", least=1)
        check_bounds(self, "residual_scale")

    @property
    def fold(self) -> int:
        """`unshuffle`, or its default."""
        return self.unshuffle or {1: 4, 2: 2}.get(self.scale, 1)

    @property
    def upsamplings(self) -> int:
        """Number of upsamplings by two."""
        return (self.scale * self.fold).bit_length() - 1


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _norm(config: RRDBNetConfig, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if config.batch_norm else nn.Identity()


def _cast_for(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Cast features to half precision if the layer's weights are.

    With float32 weights they are not cast: under autocast they are in half precision already.
    """
    return x if conv.weight.dtype == torch.float32 else x.to(conv.weight.dtype)


def upsampled_conv(x: Float[Tensor, "b c h w"], conv: nn.Conv2d) -> Float[Tensor, "b k 2*h 2*w"]:
    """`conv`, of 3x3 with a padding of 1, of `x` upsampled twice by nearest neighbor.

    Computed as a transposed convolution of 4x4: each pixel depends on 2x2 of `x`, so weights of the
    same one are added first, which takes 4 products instead of 9.
    """
    weight = _transposed_weight(_transposed_weight(conv.weight, 2), 3).transpose(0, 1)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return F.conv_transpose2d(x, weight, conv.bias, stride=2, padding=1)


def _transposed_weight(weight: Tensor, axis: int) -> Tensor:
    first, middle, last = weight.unbind(axis)
    return torch.stack([last, middle + last, first + middle, first], dim=axis)


class ResidualBlock(nn.Module):
    """Two convolutions and a scaled residual (figure 4 of the paper, left)."""

    def __init__(self, config: RRDBNetConfig) -> None:
        super().__init__()
        features = config.num_features
        self.residual_scale = config.residual_scale
        self.conv1, self.norm1 = _conv(features, features), _norm(config, features)
        self.conv2, self.norm2 = _conv(features, features), _norm(config, features)

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
        """Features of the same shape."""
        inner = F.leaky_relu_(self.norm1(self.conv1(_cast_for(x, self.conv1))), 0.2)
        return torch.add(x, self.norm2(self.conv2(inner)), alpha=self.residual_scale)


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of all features before; the last output is scaled and added."""

    def __init__(self, config: RRDBNetConfig) -> None:
        super().__init__()
        features, growth = config.num_features, config.growth_channels
        self.residual_scale = config.residual_scale
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth)
        self.conv5 = _conv(features + 4 * growth, features)
        self.norm1, self.norm2 = _norm(config, growth), _norm(config, growth)
        self.norm3, self.norm4 = _norm(config, growth), _norm(config, growth)
        self.norm5 = _norm(config, features)

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
        """Features of the same shape."""
        # with weights in half precision, the residual stream `x` stays in float32
        features = _cast_for(x, self.conv1)
        for conv, norm in (
            (self.conv1, self.norm1),
            (self.conv2, self.norm2),
            (self.conv3, self.norm3),
            (self.conv4, self.norm4),
        ):
            features = torch.cat([features, F.leaky_relu_(norm(conv(features)), 0.2)], dim=1)
        return torch.add(x, self.norm5(self.conv5(features)), alpha=self.residual_scale)


class RRDB(nn.Module):
    """Three dense blocks within one more scaled residual (figure 4 of the paper)."""

    def __init__(self, config: RRDBNetConfig) -> None:
        super().__init__()
        self.residual_scale = config.residual_scale
        self.rdb1 = ResidualDenseBlock(config)
        self.rdb2 = ResidualDenseBlock(config)
        self.rdb3 = ResidualDenseBlock(config)

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
        """Features of the same shape."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=self.residual_scale)


class RRDBNet(nn.Module):
    """LR to SR; keys of the state dict are BasicSR's (`body.0.rdb1.conv1.weight`)."""

    def __init__(self, config: RRDBNetConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing = False  # recompute each block in the backward pass
        features = config.num_features
        self.fold = config.fold
        self.conv_first = _conv(3 * self.fold**2, features)
        block = RRDB if config.block == "rrdb" else ResidualBlock
        self.body = nn.Sequential(*(block(config) for _ in range(config.num_blocks)))
        self.conv_body = _conv(features, features)
        for number in range(1, config.upsamplings + 1):
            self.add_module(f"conv_up{number}", _conv(features, features))
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, 3)
        # on the meta device, normal values would import torch's compiler: a second
        if not self.conv_first.weight.is_meta:
            self._initialize()
        # for esrgan_core.inference.tiling
        convolutions = 15 if config.block == "rrdb" else 2
        self.trunk_reach = self.fold * (convolutions * config.num_blocks + 2)
        self.tail_reach = 2
        growth = config.growth_channels if config.block == "rrdb" else 0
        self.trunk_numbers = (5 * features + 9 * growth) / self.fold**2
        self.tail_numbers = 3.0 * features * config.scale**2

    def _initialize(self) -> None:
        scaled = self if self.config.init == "paper" else self.body
        for module in scaled.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in")
                module.weight.data.mul_(0.1)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all of ours have one

    def forward(
        self, lr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 {self.config.scale}*h {self.config.scale}*w"]:
        """Upscale images in [0, 1] by `config.scale`; the output is not clipped.

        Sides are padded to multiples of `fold`, and the output is cropped.
        """
        height, width = lr.shape[-2:]
        sr = self.tail(self.trunk(lr))
        return sr[..., : height * self.config.scale, : width * self.config.scale]

    def trunk(self, lr: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f fh fw"]:
        """Features, one for each `fold x fold` pixels: most of the computation, at LR size."""
        height, width = lr.shape[-2:]
        if self.fold > 1:
            padding = (0, -width % self.fold, 0, -height % self.fold)
            lr = F.pixel_unshuffle(F.pad(lr, padding, mode="replicate"), self.fold)
        first = self.conv_first(_cast_for(lr, self.conv_first))
        if self.conv_first.weight.dtype != torch.float32:
            first = first.to(lr.dtype)
        return first + self.conv_body(_cast_for(self._through_body(first), self.conv_body))

    def tail(
        self, features: Float[Tensor, "b f fh fw"]
    ) -> Float[Tensor, "b 3 {self.fold*self.config.scale}*fh {self.fold*self.config.scale}*fw"]:
        """The image of the trunk's features, by a receptive field of `tail_reach`."""
        features = _cast_for(features, self.conv_hr)
        for number in range(1, self.config.upsamplings + 1):
            features = F.leaky_relu_(
                upsampled_conv(features, getattr(self, f"conv_up{number}")), 0.2
            )
        sr: Tensor = self.conv_last(F.leaky_relu_(self.conv_hr(features), 0.2))
        return sr

    def _through_body(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
        if not (self.checkpointing and torch.is_grad_enabled()):
            features: Tensor = self.body(x)
            return features
        for block in self.body:
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        return x
