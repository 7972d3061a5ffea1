"""Configurations of the networks; importable without torch, which takes a second."""

from dataclasses import dataclass
from typing import Literal

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

    @property
    def trunk_reach(self) -> int:
        """LR pixels that the trunk sees on each side."""
        convolutions = 15 if self.block == "rrdb" else 2
        return self.fold * (convolutions * self.num_blocks + 2)

    @property
    def dense_features(self) -> int:
        """Channels at the end of a block, before its last convolution."""
        return self.num_features + (4 * self.growth_channels if self.block == "rrdb" else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class SRResNetConfig:
    """Shape of the network; the defaults are the paper's x4 network."""

    scale: int = 4
    num_features: int = 64
    num_blocks: int = 16

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise ValueError(f"scale must be 2, 4 or 8, got {self.scale}")
        check_bounds(self, "num_features", "num_blocks", least=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SRCNNConfig:
    """Shape of the network; the defaults are 9-1-5 with 64 and 32 filters."""

    scale: int = 4
    kernels: tuple[int, int, int] = (9, 1, 5)
    num_features: tuple[int, int] = (64, 32)

    def __post_init__(self) -> None:
        if self.scale < 2:
            raise ValueError(f"scale must be at least 2, got {self.scale}")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels must be odd, got {self.kernels}")
        check_bounds(self, "num_features", least=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SFTNetConfig:
    """Shape of the network; the defaults are the published ones."""

    scale: int = 4
    num_features: int = 64
    num_blocks: int = 16
    num_classes: int = 8
    """Channels of the semantic map: the probability of each class at a pixel."""
    condition_features: int = 32
    form: Literal["plus_one", "plain"] = "plus_one"
    """`plus_one`: features * (scale + 1) + shift, as in the published training; `plain`: features *
    scale + shift, as in the released test code. Weights of one do not fit the other."""

    def __post_init__(self) -> None:
        if self.scale != 4:
            raise ValueError(f"scale must be 4, as published, got {self.scale}")
        counts = ("num_features", "num_blocks", "num_classes", "condition_features")
        check_bounds(self, *counts, least=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class VGGDiscriminatorConfig:
    """Shape of the discriminator; the defaults are the published one for 128 patches."""

    patch_size: int = 128
    """HR pixels a side, fixed by the fully connected layers."""
    num_features: int = 64

    def __post_init__(self) -> None:
        if self.patch_size % 32 or self.patch_size < 32:
            raise ValueError(f"patch_size must be a multiple of 32, got {self.patch_size}")
        check_bounds(self, "num_features", least=1)

    @property
    def halvings(self) -> int:
        """5 for patches of 96 and 128, 6 for 192, down to 3 or 4 pixels."""
        return 6 if self.patch_size >= 192 else 5

    @property
    def last_side(self) -> int:
        """Side of the last features."""
        return self.patch_size // 2**self.halvings


@dataclass(frozen=True, kw_only=True, slots=True)
class SRGANDiscriminatorConfig:
    """Shape of SRGAN's discriminator; the defaults are the paper's."""

    patch_size: int = 96
    """HR pixels a side, fixed by the fully connected layers."""
    num_features: int = 64

    def __post_init__(self) -> None:
        if self.patch_size % 16 or self.patch_size < 16:
            raise ValueError(f"patch_size must be a multiple of 16, got {self.patch_size}")
        check_bounds(self, "num_features", least=1)

    @property
    def last_side(self) -> int:
        """Side of the last features."""
        return self.patch_size // 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassDiscriminatorConfig:
    """Shape of SFTGAN's discriminator; the defaults are the published ones."""

    patch_size: int = 96
    """HR pixels a side, fixed by the fully connected layers."""
    num_features: int = 64
    num_classes: int = 8

    def __post_init__(self) -> None:
        VGGDiscriminatorConfig(patch_size=self.patch_size, num_features=self.num_features)
        check_bounds(self, "num_classes", least=1)


GeneratorConfig = RRDBNetConfig | SRResNetConfig | SRCNNConfig | SFTNetConfig
DiscriminatorConfig = VGGDiscriminatorConfig | SRGANDiscriminatorConfig | ClassDiscriminatorConfig
