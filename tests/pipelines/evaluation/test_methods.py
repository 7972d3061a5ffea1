from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.engine.evaluation import Sample
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_weights
from pipelines.evaluation.methods import image_interpolation, load_network
from tests.conftest import textured


def test_networks_are_measured_on_the_requested_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2))
    save_weights(tmp_path / "g.safetensors", network.state_dict(), network.config, {})
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    for name, device in {"": auto, "auto": auto, "cpu": "cpu"}.items():
        monkeypatch.setenv("ESRGAN_DEVICE", name)
        measured, _ = load_network(tmp_path / "g.safetensors")
        assert {weights.device.type for weights in measured.parameters()} == {device}
    monkeypatch.setenv("ESRGAN_DEVICE", "cuda:77")
    with pytest.raises(ValueError, match="device 'cuda:77' cannot be used"):
        load_network(tmp_path / "g.safetensors")


def test_image_interpolation_has_the_results_at_its_ends() -> None:
    first, second = textured(8, 8, seed=1), textured(8, 8, seed=2)
    sample = Sample(name="a", set="own", lr=first, hr=first)
    for alpha, expected in ((0.0, first), (1.0, second)):
        mixed = image_interpolation(lambda _: first, lambda _: second, alpha)(sample)
        assert np.array_equal(mixed, expected)
    half = image_interpolation(lambda _: first, lambda _: second, 0.5)(sample)
    assert np.array_equal(half, (first.astype(int) + second + 1) // 2)
