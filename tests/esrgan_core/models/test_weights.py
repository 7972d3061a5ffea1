from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.weights import interpolate, load_generator, read_weights, save_weights

CONFIG = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4)


def network(seed: int) -> RRDBNet:
    torch.manual_seed(seed)
    return RRDBNet(CONFIG)


def test_a_generator_comes_back_bit_equal_with_its_lineage(tmp_path: Path) -> None:
    saved = network(0).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(tmp_path / "g.safetensors", saved.state_dict(), CONFIG, {"git.commit": "abc"})
    loaded = load_generator(tmp_path / "g.safetensors")
    assert loaded.config == CONFIG
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.parameters(), saved.parameters(), strict=True)
    )
    assert read_weights(tmp_path / "g.safetensors")[0]["lineage"] == {"git.commit": "abc"}


def test_other_files_are_refused_by_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_generator(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_generator(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare")
    with pytest.raises(ValueError, match="does not say what network"):
        load_generator(tmp_path / "bare")
    save_weights(tmp_path / "d", {"a": torch.zeros(1)}, VGGDiscriminatorConfig(), {})
    with pytest.raises(ValueError, match="holds a VGGDiscriminator"):
        load_generator(tmp_path / "d")
    save_weights(tmp_path / "short", {"a": torch.zeros(1)}, CONFIG, {})
    with pytest.raises(ValueError, match="does not fit RRDBNet"):
        load_generator(tmp_path / "short")


@given(alpha=st.floats(0, 1))
def test_interpolation_is_linear_and_exact_at_the_ends(alpha: float) -> None:
    first, second = network(0).state_dict(), network(1).state_dict()
    between = interpolate(first, second, alpha)
    for key, value in between.items():
        expected = (1 - alpha) * first[key].double() + alpha * second[key].double()
        assert torch.allclose(value.double(), expected, atol=1e-6)
    assert all(torch.equal(interpolate(first, second, 0)[key], first[key]) for key in first)
    assert all(torch.equal(interpolate(first, second, 1)[key], second[key]) for key in first)


def test_networks_that_do_not_belong_together_are_refused() -> None:
    other = RRDBNet(RRDBNetConfig(num_features=8, num_blocks=2, growth_channels=4))
    with pytest.raises(ValueError, match=r"differ in \['body\.1\."):
        interpolate(network(0).state_dict(), other.state_dict(), 0.5)
