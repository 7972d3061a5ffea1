"""ncnn computes what torch does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.ncnn_engine import BLOCK_BYTES, EngineError, NcnnEngine
from esrgan_core.inference.engines.selection import EngineProbe, build_ncnn, probe_ncnn
from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.tiling import upscale_values
from esrgan_core.inference.upscale import upscale
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.rgb import read_rgb
from esrgan_core.models.build import Generator, build_generator
from esrgan_core.models.configs import RRDBNetConfig, SRCNNConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator, network_state
from tests.support.networks import lively

ODD = RRDBNetConfig(num_features=13, num_blocks=2, growth_channels=7, init="basicsr")
"""Channels that fill no vector."""
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "config",
    [
        *(replace(ODD, scale=scale) for scale in (1, 2, 4, 8, 16)),
        replace(ODD, scale=2, unshuffle=1),
        replace(ODD, residual_scale=0.3, batch_norm=True),
        replace(ODD, block="residual"),
        replace(ODD, block="residual", batch_norm=True),
    ],
    ids=lambda config: f"x{config.scale}-{config.fold}-{config.block}-{config.batch_norm}",
)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (37, 41), (64, 48)])
def test_ncnn_agrees_with_torch(config: RRDBNetConfig, size: tuple[int, int]) -> None:
    network = lively(config)
    lr = RANDOM.random((3, *size), dtype=np.float32)
    wanted = upscale_values(TorchEngine(network), lr)
    found = upscale_values(build_ncnn(network_state(network)), lr)
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max() + 1e-6


def test_ncnn_agrees_with_the_published_network(test_data: Path) -> None:
    network = load_generator(test_data / "weights" / "RealESRGAN_x4plus_fp16.pth")
    assert isinstance(network, RRDBNet)
    pixels = read_rgb(test_data / "esrgan_official" / "LR" / "baboon.png")[:40, :48]
    lr = (pixels / np.float32(255)).transpose(2, 0, 1)
    wanted = upscale_values(TorchEngine(network), lr)
    found = upscale_values(build_ncnn(network_state(network)), lr)
    assert np.abs(found - wanted).max() <= 5e-4


def test_the_inputs_and_weights_live_as_long_as_the_engine() -> None:
    lr = RANDOM.random((3, 40, 40), dtype=np.float32)
    network = lively(ODD)
    engine = build_ncnn(network_state(network))
    wanted = upscale_values(engine, lr)
    del network
    garbage = [np.full(100_000, 1e30, np.float32) for _ in range(50)]
    for _ in range(5):
        assert np.array_equal(upscale_values(engine, lr.copy()), wanted)
    del garbage


@pytest.mark.parametrize("pixels", [np.uint8, np.uint16, np.float32])
def test_images_of_all_depths_are_upscaled(pixels: type) -> None:
    network = lively(ODD)
    white = 1 if pixels is np.float32 else np.iinfo(pixels).max
    image = DecodedImage(pixels=(RANDOM.random((30, 23, 3)) * white).astype(pixels))
    results = [
        Upscaler(
            network_state(network),
            UpscaleConfig(device="cpu", precision="fp32", engine=engine),
            free_memory=lambda: 2**34,
        )(image).pixels.astype(np.float64)
        for engine in ("torch", "ncnn")
    ]
    assert np.abs(results[0] - results[1]).max() <= (1 if pixels is np.uint8 else 1e-4 * white)


def test_an_image_that_needs_too_much_memory_is_computed_by_torch() -> None:
    network = lively(ODD)
    memory = 3 * BLOCK_BYTES
    config = UpscaleConfig(device="cpu", precision="fp32", engine="ncnn")
    messages = list[str]()
    upscaler = Upscaler(
        network_state(network), config, free_memory=lambda: memory, log=messages.append
    )
    assert upscaler.engine_for(20, 20).name == "ncnn"
    assert upscaler.engine_for(500, 500).name == "torch"
    upscaler(DecodedImage(pixels=np.zeros((20, 20, 3), np.uint8)))
    assert not messages
    upscaler(DecodedImage(pixels=np.zeros((350, 1, 3), np.uint8)))
    assert not messages
    upscaler(DecodedImage(pixels=np.zeros((400, 390, 3), np.uint8)))
    assert messages == [
        "ncnn needs 0.7 GiB for 390x400 pixels, more than half of the free memory; using torch"
    ]
    tiled = Upscaler(network_state(network), replace(config, tile=32), free_memory=lambda: memory)
    assert tiled.engine_for(500, 500).name == "ncnn"


def test_a_probe_decides_for_the_faster_and_accurate_engine() -> None:
    assert EngineProbe(speedup=1.3, difference=1e-5).engine == "ncnn"
    assert EngineProbe(speedup=1.05, difference=1e-5).engine == "torch"
    assert EngineProbe(speedup=1.3, difference=1e-2).engine == "torch"
    assert EngineProbe(speedup=1.3, difference=float("nan")).engine == "torch"
    probe = probe_ncnn(network_state(lively(ODD)))
    assert probe.difference <= 1e-5
    assert probe.speedup > 0


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (build_generator(SRCNNConfig()), {}, "RRDBNet only, not SRCNN"),
        (lively(ODD), {"precision": "bf16"}, "does not compute in bf16; use the precision auto"),
        (lively(ODD), {"device": "meta"}, "on cpu or vulkan, not on meta"),
    ],
)
def test_what_ncnn_cannot_do_is_refused(
    network: Generator, options: dict[str, str], message: str
) -> None:
    config = UpscaleConfig(**{"device": "cpu", "engine": "ncnn"} | options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        Upscaler(network_state(network), config, free_memory=lambda: 2**34)


def test_an_engine_that_fails_is_replaced_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    network, messages = lively(ODD), list[str]()
    image = DecodedImage(pixels=RANDOM.integers(0, 256, (20, 23, 3)).astype(np.uint8))
    config = UpscaleConfig(device="cpu", precision="fp32", engine="ncnn")
    upscaler = Upscaler(
        network_state(network), config, free_memory=lambda: 2**34, log=messages.append
    )

    def fail(self: object, features: np.ndarray) -> np.ndarray:
        raise EngineError("it reports error -100, often for lack of memory")

    monkeypatch.setattr(NcnnEngine, "tail", fail)
    assert np.array_equal(upscaler(image).pixels, upscale(network, image.pixels))
    assert messages == ["ncnn failed: it reports error -100, often for lack of memory; using torch"]
