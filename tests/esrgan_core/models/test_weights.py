from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from esrgan_core.engine.evaluation import Sample, evaluate, network_method
from esrgan_core.io.rgb import read_rgb
from esrgan_core.metrics import METRICS
from esrgan_core.models.configs import RRDBNetConfig, SRCNNConfig, VGGDiscriminatorConfig
from esrgan_core.models.layouts import LAYOUTS, Layout, to_layout
from esrgan_core.models.reading import load_network, read_weights
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import (
    interpolate,
    load_generator,
    network_state,
    save_layout,
    save_weights,
)

CONFIG = RRDBNetConfig(num_features=8, num_blocks=2, growth_channels=4)


def network(seed: int = 0, **changes: Any) -> RRDBNet:
    torch.manual_seed(seed)
    sizes = {"num_features": 8, "num_blocks": 2, "growth_channels": 4}
    return RRDBNet(RRDBNetConfig(**(sizes | changes)))


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


def test_a_generator_comes_back_bit_equal_with_its_lineage(tmp_path: Path) -> None:
    saved = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(tmp_path / "g.safetensors", saved.state_dict(), CONFIG, {"git.commit": "abc"})
    loaded = load_generator(tmp_path / "g.safetensors")
    assert loaded.config == CONFIG
    assert equal(loaded.state_dict(), saved.state_dict())
    assert read_weights(tmp_path / "g.safetensors").lineage == {"git.commit": "abc"}


def test_the_digest_is_of_the_tensors_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, network().state_dict(), CONFIG, {"git.commit": name})
    first, second = (load_network(tmp_path / f"{name}.safetensors").digest for name in ("a", "b"))
    assert first == second == network_state(network()).digest
    assert first != network_state(network(seed=1)).digest


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("scale", "unshuffle"), [(1, None), (2, None), (4, None), (8, None), (16, None), (1, 1), (2, 1)]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_comes_back_bit_equal(
    tmp_path: Path, layout: Layout, scale: int, unshuffle: int | None, suffix: str
) -> None:
    saved, path = network(scale=scale, unshuffle=unshuffle), tmp_path / f"g{suffix}"
    save_layout(path, saved.state_dict(), layout)
    found = read_weights(path)
    assert found.layout == layout
    assert found.config == saved.config
    assert equal(load_generator(path).state_dict(), saved.state_dict())


# the last modules of the published x4 network, as ESRGAN's own conversion script names them
@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("esrgan", ["RRDB_trunk.1.RDB3.conv5.bias", "trunk_conv.bias", "upconv2.bias",
                    "HRconv.bias"]),
        ("esrgan_old", ["model.0.bias", "model.1.sub.1.RDB3.conv5.0.bias", "model.1.sub.2.bias",
                        "model.3.bias", "model.6.bias", "model.8.bias", "model.10.bias"]),
    ],
)  # fmt: skip
def test_names_are_the_published_ones(layout: Layout, names: list[str]) -> None:
    assert set(names) <= to_layout(network().state_dict(), layout).keys()


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("wrapper", [None, "params", "params_ema", "state_dict"])
def test_wrappers_and_prefixes_are_taken_off(
    tmp_path: Path, prefix: str, wrapper: str | None
) -> None:
    state = {f"{prefix}{key}": value for key, value in network().state_dict().items()}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "g.pth")
    assert equal(load_generator(tmp_path / "g.pth").state_dict(), network().state_dict())
    assert read_weights(tmp_path / "g.pth").wrapper == (wrapper or "")


def test_the_average_is_preferred(tmp_path: Path) -> None:
    both = {"params": network(0).state_dict(), "params_ema": network(1).state_dict()}
    torch.save(both, tmp_path / "g.pth")
    assert equal(load_generator(tmp_path / "g.pth").state_dict(), network(1).state_dict())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # their part of the published mean
        ({"butterfly", "woman"}, 24.386),
        pytest.param({"baby", "bird", "butterfly", "head", "woman"}, 26.63, marks=pytest.mark.long),
    ],
    ids=["two of Set5", "Set5"],
)
def test_real_esrgan_loads_and_scores_as_published(
    test_data: Path, names: set[str], expected: float
) -> None:
    path = test_data / "weights" / "RealESRGAN_x4plus_fp16.pth"
    found = read_weights(path)
    assert (found.layout, found.wrapper) == ("esrgan", "params_ema")
    assert found.config == RRDBNetConfig(scale=4, num_features=64, num_blocks=23)
    assert sum(array.size for array in found.state.values()) == 16_697_987
    generator, folder = load_generator(path), test_data / "sets" / "Set5"
    samples = (
        Sample(name=hr.stem, set="Set5", lr=read_rgb(folder / "LRbicx4" / hr.name), hr=read_rgb(hr))
        for hr in sorted((folder / "HR").iterdir())
        if hr.stem in names
    )
    scored = list(evaluate(network_method(generator), samples, {"psnr_y": METRICS["psnr_y"]}, 4))
    assert len(scored) == len(names)
    assert fmean(one.values["psnr_y"] for one in scored) == pytest.approx(expected, abs=0.02)


def test_other_files_of_ours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_generator(tmp_path / "none")
    save_weights(tmp_path / "d", {"a": torch.zeros(1)}, VGGDiscriminatorConfig(), {})
    with pytest.raises(ValueError, match="holds a VGGDiscriminator"):
        load_generator(tmp_path / "d")
    save_weights(tmp_path / "short", {"a": torch.zeros(1)}, CONFIG, {})
    with pytest.raises(ValueError, match="does not fit RRDBNet"):
        load_generator(tmp_path / "short")
    shape = network().state_dict() | {"conv_hr.bias": torch.zeros(3)}
    save_weights(tmp_path / "shape", shape, CONFIG, {})
    with pytest.raises(
        ValueError, match=r"shape: it does not .*: conv_hr.bias is \[3\], but \[8\]"
    ):
        load_network(tmp_path / "shape")
    save_weights(tmp_path / "srcnn", {"a": torch.zeros(1)}, SRCNNConfig(), {})
    with pytest.raises(ValueError, match="srcnn does not fit SRCNN"):
        load_network(tmp_path / "srcnn")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare")
    with pytest.raises(ValueError, match="unknown network"):
        load_generator(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"suffix \.pth or \.safetensors"):
        save_layout(tmp_path / "g.bin", network().state_dict(), "basicsr")


@pytest.mark.parametrize("changes", [{"block": "residual"}, {"batch_norm": True}])
def test_only_rrdbs_go_into_published_layouts(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no plain residual blocks or normalization"):
        save_layout(tmp_path / "g.pth", network(**changes).state_dict(), "esrgan")
    save_weights(
        tmp_path / "g.safetensors",
        network(**changes).state_dict(),
        network(**changes).config,
        {},
    )
    assert equal(
        load_generator(tmp_path / "g.safetensors").state_dict(), network(**changes).state_dict()
    )


def related() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    first, noise = network(0).state_dict(), network(1).state_dict()
    return first, {key: first[key] + 0.2 * noise[key] for key in first}


@given(alpha=st.floats(0, 1))
def test_interpolation_is_linear_and_exact_at_the_ends(alpha: float) -> None:
    first, second = related()
    for key, value in interpolate(first, second, alpha).items():
        expected = (1 - alpha) * first[key].double() + alpha * second[key].double()
        assert torch.allclose(value.double(), expected, atol=1e-6)
    assert equal(interpolate(first, second, 0), first)
    assert equal(interpolate(first, second, 1), second)


def test_networks_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in \['body\.2\."):
        interpolate(network().state_dict(), network(num_blocks=3).state_dict(), 0.5)
    with pytest.raises(ValueError, match="unrelated"):
        interpolate(network(0).state_dict(), network(1).state_dict(), 0.5)


@pytest.mark.parametrize("length", range(0, 256, 8))
def test_a_header_of_any_length_is_read(tmp_path: Path, length: int) -> None:
    network, path = RRDBNet(CONFIG), tmp_path / "g.safetensors"
    save_weights(path, network.state_dict(), CONFIG, {"note": "x" * length})
    assert read_weights(path).lineage == {"note": "x" * length}


@pytest.mark.parametrize("layout", [None, *LAYOUTS], ids=str)
def test_weights_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, layout: Layout | None
) -> None:
    broken = network()
    broken.conv_last.bias.data[1] = float("nan")  # type: ignore[union-attr]
    path = tmp_path / "broken.safetensors"
    if layout is None:
        with pytest.raises(
            FloatingPointError,
            match=r"broken.* was not written: 1 of \d+ tensors .*, first conv_last.bias",
        ):
            save_weights(path, broken.state_dict(), CONFIG, {})
        assert not path.exists()
        save_file(broken.state_dict(), path)
    else:
        path = path.with_suffix(".pth")
        torch.save(to_layout(broken.state_dict(), layout), path)
    with pytest.raises(
        ValueError, match=r"broken.*1 of \d+ tensors hold values that are not finite"
    ):
        read_weights(path)
