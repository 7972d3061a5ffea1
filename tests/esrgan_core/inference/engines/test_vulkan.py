"""GPUs by Vulkan; Mesa's lavapipe is one on every machine that has it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines import vulkan
from esrgan_core.inference.engines.ncnn_engine import BLOCK_BYTES, NcnnEngine
from esrgan_core.inference.engines.vulkan import VulkanDevice, find_devices, parse_vulkan
from esrgan_core.inference.upscale import upscale
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.models.weights import network_state
from tests.support.networks import SMALL, lively

RANDOM = np.random.default_rng(0)
needs_device = pytest.mark.skipif(not find_devices(), reason="no Vulkan device")


@needs_device
@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize("size", [(37, 41), (1, 9), (64, 64)])
def test_results_are_those_of_the_cpu(precision: str, size: tuple[int, int]) -> None:
    network, messages = lively(SMALL), list[str]()
    config = UpscaleConfig(device="vulkan", precision=precision)  # type: ignore[arg-type]
    upscaler = Upscaler(
        network_state(network), config, free_memory=lambda: 2**34, log=messages.append
    )
    assert isinstance(upscaler.engines.full, NcnnEngine)
    assert upscaler.engines.full.gpu == 0
    image = DecodedImage(pixels=RANDOM.integers(0, 256, (*size, 3)).astype(np.uint8))
    found = upscaler(image).pixels.astype(int)
    assert np.abs(found - upscale(network, image.pixels)).max() <= (1 if precision == "fp32" else 3)
    assert [message.split(",")[0] for message in messages] == ["fp16"] * (precision == "auto")


@needs_device
def test_tiles_follow_the_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    network, messages = lively(SMALL), list[str]()
    config = UpscaleConfig(device="vulkan:0", precision="fp32")
    upscaler = Upscaler(network_state(network), config, free_memory=lambda: 0, log=messages.append)
    assert upscaler.engine_for(5000, 5000) is upscaler.engines.full
    memory = int(1.2 * (BLOCK_BYTES + 150 * 150 * upscaler.engines.full.trunk_bytes))
    monkeypatch.setattr(NcnnEngine, "free_memory", lambda self: memory)
    image = DecodedImage(pixels=RANDOM.integers(0, 256, (300, 400, 3)).astype(np.uint8))
    found = upscaler(image).pixels.astype(int)
    assert messages[0].startswith("400x300 pixels in tiles of ")
    assert np.abs(found - upscale(network, image.pixels)).max() <= 1


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [VulkanDevice(index=0, name="Card", is_software=False)]
    monkeypatch.setattr(vulkan, "find_devices", lambda: devices)
    assert parse_vulkan("cpu") is None
    assert parse_vulkan("vulkan") == 0
    assert parse_vulkan("vulkan:0") == 0
    with pytest.raises(ValueError, match=r"does not exist; choose from vulkan:0 \(Card\)"):
        parse_vulkan("vulkan:1")
    devices.clear()
    with pytest.raises(ValueError, match="no GPU with a Vulkan driver was found; install"):
        parse_vulkan("vulkan")


def test_without_a_driver_there_is_one_plain_sentence() -> None:
    code = "from esrgan_core.inference.engines.vulkan import parse_vulkan; parse_vulkan('vulkan')"
    # names no driver
    env = os.environ | {"VK_ICD_FILENAMES": "/nowhere", "VK_DRIVER_FILES": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("ValueError: device 'vulkan': no GPU with a")
    assert "vkCreateInstance" not in done.stderr


@needs_device
def test_bf16_is_refused() -> None:
    config = UpscaleConfig(device="vulkan", precision="bf16")
    with pytest.raises(ValueError, match="does not compute in bf16"):
        Upscaler(network_state(lively(SMALL)), config, free_memory=lambda: 2**34)
