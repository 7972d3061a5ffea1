"""Published layouts against forward passes that use their keys alone, by plain torch."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.tiling import upscale_tiled
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.layouts import tensor_shapes
from esrgan_core.models.reading import read_weights
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator

FEATURES, GROWTH, BLOCKS = 8, 4, 2
SMALL = RRDBNetConfig(num_features=FEATURES, num_blocks=BLOCKS, growth_channels=GROWTH)
ACTIVATION = nn.LeakyReLU(0.2)


class Upsampled(nn.Module):
    """Nearest neighbor by two, then a convolution and its activation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return ACTIVATION(self.conv(repeated))


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, 1, 1)


class Dense(nn.Module):
    """Five convolutions; in the old layout each is in a sequence with its activation."""

    def __init__(self, *, old: bool) -> None:
        super().__init__()
        for number in range(5):
            one = conv(FEATURES + number * GROWTH, FEATURES if number == 4 else GROWTH)
            last = nn.Identity() if number == 4 else ACTIVATION
            self.add_module(f"conv{number + 1}", nn.Sequential(one, last) if old else one)
        self.old = old

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for number in range(1, 6):
            out = getattr(self, f"conv{number}")(torch.cat(seen, 1))
            seen.append(out if self.old or number == 5 else ACTIVATION(out))
        return seen[-1] * 0.2 + x


class Block(nn.Module):
    def __init__(self, name: str, *, old: bool = False) -> None:
        super().__init__()
        for number in (1, 2, 3):
            self.add_module(f"{name}{number}", Dense(old=old))

    def forward(self, x: Tensor) -> Tensor:
        return nn.Sequential(*self.children())(x) * 0.2 + x


class OldShortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = [Block("RDB", old=True) for _ in range(BLOCKS)]
        self.sub = nn.Sequential(*blocks, conv(FEATURES, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sub(x)


class OldArchitecture(nn.Module):
    """ESRGAN's first release: one flat sequence, `model.N`."""

    def __init__(self, upsamplings: int, fold: int) -> None:
        super().__init__()
        ups: list[nn.Module] = []
        for _ in range(upsamplings):
            ups += [nn.Upsample(scale_factor=2), conv(FEATURES, FEATURES), ACTIVATION]
        self.model = nn.Sequential(
            conv(3 * fold**2, FEATURES), OldShortcut(), *ups,
            conv(FEATURES, FEATURES), ACTIVATION, conv(FEATURES, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class Named(nn.Module):
    """The later releases: a module for each convolution."""

    TRUNK, INNER, BODY, UP, HR = "body", "rdb", "conv_body", "conv_up", "conv_hr"

    def __init__(self, upsamplings: int, fold: int) -> None:
        super().__init__()
        self.upsamplings = upsamplings
        self.conv_first = conv(3 * fold**2, FEATURES)
        self.add_module(self.TRUNK, nn.Sequential(*(Block(self.INNER) for _ in range(BLOCKS))))
        self.add_module(self.BODY, conv(FEATURES, FEATURES))
        for number in range(1, upsamplings + 1):
            self.add_module(f"{self.UP}{number}", conv(FEATURES, FEATURES))
        self.add_module(self.HR, conv(FEATURES, FEATURES))
        self.conv_last = conv(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_first(x)
        x = first + getattr(self, self.BODY)(getattr(self, self.TRUNK)(first))
        for number in range(1, self.upsamplings + 1):
            up = getattr(self, f"{self.UP}{number}")
            x = ACTIVATION(up(F.interpolate(x, scale_factor=2, mode="nearest")))
        out: Tensor = self.conv_last(ACTIVATION(getattr(self, self.HR)(x)))
        return out


class ESRGANTest(Named):
    TRUNK, INNER, BODY, UP, HR = "RRDB_trunk", "RDB", "trunk_conv", "upconv", "HRconv"


class Case(NamedTuple):
    kind: type[nn.Module]
    scale: int
    fold: int
    layout: str
    prefix: str = ""
    others: tuple[str, ...] = ()
    wrapper: str = ""


CASES = {
    "BSRGAN x2": Case(ESRGANTest, 2, 1, "esrgan"),
    "BSRGAN x4": Case(ESRGANTest, 4, 1, "esrgan"),
    "Real-ESRGAN x2": Case(Named, 2, 2, "basicsr", wrapper="params_ema"),
    "Real-ESRGAN x1": Case(Named, 1, 4, "basicsr", wrapper="params_ema"),
    **{f"old x{2**ups}": Case(OldArchitecture, 2**ups, 1, "esrgan_old") for ups in range(5)},
    "old x2 by unshuffling": Case(OldArchitecture, 2, 2, "esrgan_old"),
    "old x1 by unshuffling": Case(OldArchitecture, 1, 4, "esrgan_old"),
    "mmagic ESRGAN": Case(
        Named, 4, 1, "basicsr", "generator.", ("discriminator.x", "perceptual_loss.vgg.x"),
        "state_dict",
    ),
    "mmagic Real-ESRGAN": Case(
        Named, 2, 2, "basicsr", "generator_ema.", ("generator.x", "discriminator.x"), "state_dict"
    ),
    "mmagic on several GPUs": Case(
        Named, 4, 1, "basicsr", "module.generator.", ("module.discriminator.x",), "state_dict"
    ),
    "a prefix of training code": Case(Named, 4, 1, "basicsr", "netG."),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_published_layout_gives_the_published_result(case: Case, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = case.kind((case.scale * case.fold).bit_length() - 1, case.fold).eval()
    state = {f"{case.prefix}{key}": value for key, value in theirs.state_dict().items()}
    state |= {name: torch.zeros(1) for name in case.others}
    path = tmp_path / "g.pth"
    torch.save({case.wrapper: state} if case.wrapper else state, path)
    found = read_weights(path)
    assert found.layout == case.layout
    default = {1: 4, 2: 2}.get(case.scale, 1)
    unshuffle = None if case.fold == default else case.fold
    assert found.config == replace(SMALL, scale=case.scale, unshuffle=unshuffle)
    lr, ours = torch.rand(1, 3, 12, 8), load_generator(path)
    with torch.inference_mode():
        wanted = theirs(F.pixel_unshuffle(lr, case.fold))
        assert wanted.shape == (1, 3, 12 * case.scale, 8 * case.scale)
        assert torch.allclose(ours(lr), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        *(replace(SMALL, scale=scale) for scale in (1, 2, 4, 8, 16)),
        replace(SMALL, scale=2, unshuffle=1, num_blocks=3),
        replace(SMALL, batch_norm=True),
        replace(SMALL, block="residual"),
        replace(SMALL, block="residual", batch_norm=True),
    ],
    ids=lambda config: f"x{config.scale}-{config.fold}-{config.block}-{config.batch_norm}",
)
def test_shapes_are_those_of_the_network(config: RRDBNetConfig) -> None:
    state = RRDBNet(config).state_dict()
    assert tensor_shapes(config) == {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize(("scale", "unshuffle"), [(1, 1), (2, 1), (4, 2), (16, None)])
def test_tiles_of_every_shape_give_the_whole_result(
    scale: int, unshuffle: int | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = RRDBNet(
        RRDBNetConfig(
            scale=scale, unshuffle=unshuffle, num_features=4, num_blocks=1, growth_channels=2
        )
    ).eval()
    lr = torch.rand(1, 3, 50, 37)
    found = np.full((3, 50 * scale, 37 * scale), np.nan, np.float32)

    def write(top: int, left: int, sr: np.ndarray) -> None:
        found[:, top : top + sr.shape[-2], left : left + sr.shape[-1]] = sr

    upscale_tiled(TorchEngine(network), lr[0].numpy(), write, side=32)
    with torch.inference_mode():
        assert np.allclose(found, network(lr)[0].numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("conv_first.weight", (8, 1, 3, 3), "first convolution has 1 channels, not 3, 12 or 48"),
        # upsampling by pixel shuffling
        ("conv_up1.weight", (32, 8, 3, 3), r"conv_up1.weight is \[32, 8, 3, 3\], .*\[8, 8, 3, 3\]"),
        # an output with alpha
        ("conv_last.weight", (4, 8, 3, 3), r"conv_last.weight is \[4, 8, 3, 3\]"),
    ],
)
def test_networks_of_another_shape_are_refused_by_the_tensor(
    tmp_path: Path, key: str, shape: tuple[int, ...], message: str
) -> None:
    torch.save(RRDBNet(SMALL).state_dict() | {key: torch.zeros(shape)}, tmp_path / "g.pth")
    with pytest.raises(ValueError, match=f"g.pth: .*{message}"):
        read_weights(tmp_path / "g.pth")


def test_a_network_that_would_shrink_images_is_refused(tmp_path: Path) -> None:
    state = RRDBNet(replace(SMALL, scale=1)).state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith("conv_up2")}
    torch.save(kept, tmp_path / "g.pth")
    with pytest.raises(ValueError, match="48 channels, but it has 1 upsamplings"):
        read_weights(tmp_path / "g.pth")
