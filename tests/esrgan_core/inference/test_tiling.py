"""An image in parts is the image as a whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from esrgan_core.inference import tiling
from esrgan_core.inference.engines import torch_engine
from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.tiling import (
    WHOLE_IMAGE,
    choose_tile_side,
    is_exact,
    required_memory,
    upscale_tiled,
)
from esrgan_core.io.rgb import read_rgb
from esrgan_core.models.build import Generator, build_generator
from esrgan_core.models.configs import (
    GeneratorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRResNetConfig,
)
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.weights import load_generator
from esrgan_core.tensors import to_tensor
from tests.support.networks import Nearest

SMALL: list[GeneratorConfig] = [
    *(
        RRDBNetConfig(scale=scale, num_features=8, num_blocks=1, growth_channels=4, init="basicsr")
        for scale in (1, 2, 4, 8)
    ),
    RRDBNetConfig(num_features=8, num_blocks=2, block="residual", batch_norm=True),
    *(SRResNetConfig(scale=scale, num_features=8, num_blocks=2) for scale in (2, 4, 8)),
    *(SRCNNConfig(scale=scale) for scale in (2, 3, 4)),
    SFTNetConfig(num_features=8, num_blocks=2, condition_features=4),
]


def lively(config: GeneratorConfig) -> Generator:
    """A network in which every weight matters."""
    torch.manual_seed(0)
    network = build_generator(config).eval()
    for weights in network.parameters():
        weights.data.add_(0.05 * torch.randn_like(weights))
    return network


def assembled(
    network: Generator, lr: Tensor, side: int, condition: Tensor | None = None
) -> tuple[Tensor, float]:
    """(the result, how far apart its tiles are); what nobody wrote is not a number."""
    scale = network.config.scale
    result = np.full((3, lr.shape[-2] * scale, lr.shape[-1] * scale), np.nan, np.float32)

    def write(top: int, left: int, sr: np.ndarray) -> None:
        result[:, top : top + sr.shape[-2], left : left + sr.shape[-1]] = sr

    maps = None if condition is None else condition[0].numpy()
    apart = upscale_tiled(TorchEngine(network), lr[0].numpy(), write, side=side, semantic_map=maps)
    return torch.from_numpy(result)[None], apart


@pytest.mark.parametrize(
    "config", SMALL, ids=lambda config: f"{type(config).__name__}{config.scale}"
)
@pytest.mark.parametrize(
    ("side", "block_bytes"), [(WHOLE_IMAGE, 2**15), (32, torch_engine.BLOCK_BYTES), (50, 2**15)]
)
def test_parts_make_the_whole(
    config: GeneratorConfig, side: int, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_engine, "BLOCK_BYTES", block_bytes)
    network = lively(config)
    lr = torch.rand(1, 3, 151, 133)
    condition = torch.rand(1, 8, 151, 133) if isinstance(network, SFTNet) else None
    with torch.inference_mode():
        whole = network(lr) if condition is None else network(lr, condition)
    result, apart = assembled(network, lr, side, condition)
    assert float((result - whole).abs().max()) <= 3e-5 * float(whole.abs().max())
    assert apart <= 3e-5 * float(whole.abs().max())


def test_a_padding_that_is_less_than_the_network_sees_shows_at_the_seams() -> None:
    config = RRDBNetConfig(num_features=8, num_blocks=6, growth_channels=4, init="basicsr")
    network = lively(config)
    assert not is_exact(TorchEngine(network), 40)
    lr = torch.rand(1, 3, 40, 140)
    whole, _ = assembled(network, lr, WHOLE_IMAGE)
    result, apart = assembled(network, lr, 40)
    off = float((result - whole).abs().max())
    assert off > 0
    assert off / 4 <= apart <= 4 * off


def test_tiles_are_as_large_as_memory_allows() -> None:
    network = TorchEngine(lively(RRDBNetConfig(num_features=32, num_blocks=2, growth_channels=16)))
    plenty = required_memory(network, 3000, 2000)
    assert choose_tile_side(network, 3000, 2000, plenty) == WHOLE_IMAGE
    side = choose_tile_side(network, 3000, 2000, plenty // 4)
    around = 2 * tiling.tile_padding(network)
    assert 300 < side < 3000
    assert required_memory(network, side + around, min(side + around, 2000)) <= plenty // 4
    with pytest.raises(MemoryError, match="MiB are free, the smallest tile needs"):
        choose_tile_side(network, 3000, 2000, 2**20)


@pytest.mark.parametrize(
    ("photo", "size", "block_bytes"),
    [
        ("esrgan_official/LR/baboon.png", (40, 48), 2**22),
        ("photos/kodak/kodim08.png", (40, 48), 2**22),
        pytest.param(
            "photos/kodak/kodim08.png", (375, 500), torch_engine.BLOCK_BYTES, marks=pytest.mark.long
        ),
    ],
)
def test_the_published_network_gives_a_photograph_in_parts_as_a_whole(
    test_data: Path,
    photo: str,
    size: tuple[int, int],
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_engine, "BLOCK_BYTES", block_bytes)
    network = load_generator(test_data / "weights" / "RealESRGAN_x4plus_fp16.pth")
    lr = to_tensor(read_rgb(test_data / photo)[: size[0], : size[1]])
    assert lr.shape[-2:] == size
    with torch.inference_mode():
        whole = network(lr)
    result, _ = assembled(network, lr, WHOLE_IMAGE)
    assert float((result - whole).abs().max()) <= 1e-4
    levels = [(each.clamp(0, 1) * 255 + 0.5).floor() for each in (result, whole)]
    differing = (levels[0] != levels[1]).nonzero()
    # only where the value lies between two levels, within the error
    ties = (whole.clamp(0, 1) * 255 + 0.5).frac().sub(0.5).abs().sub(0.5).abs()
    assert all(float(ties[tuple(place)]) < 1e-2 for place in differing)
    assert len(differing) < 1e-3 * whole.numel()
    print(f"{len(differing)} of {whole.numel()} levels differ, all of them rounding ties")


def test_rows_and_columns_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "BLOCK_BYTES", 2**12)
    network = Nearest(2)
    lr = torch.rand(1, 3, 37, 61)
    result, apart = assembled(network, lr, 32)
    assert np.array_equal(result, lr.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert apart == 0
