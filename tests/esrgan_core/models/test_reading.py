"""What files of weights hold, and which are refused."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.models.reading import load_network, read_weights
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import (
    network_state,
    save_layout,
    save_weights,
)
from tests.support.networks import SMALL

BATCH_NORM = replace(SMALL, batch_norm=True)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_precisions_are_read_as_float32(
    tmp_path: Path, suffix: str, kind: torch.dtype
) -> None:
    state, path = RRDBNet(SMALL).to(kind).state_dict(), tmp_path / f"g{suffix}"
    save_layout(path, state, "basicsr")
    found = read_weights(path).state
    for key, value in state.items():
        assert found[key].dtype == np.float32
        assert np.array_equal(found[key], value.float().numpy())


def test_the_network_of_a_file_is_built_from_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    save_weights(path, RRDBNet(BATCH_NORM).state_dict(), BATCH_NORM, {})
    found = load_network(path)
    again = network_state(found.build())
    assert again.config == found.config
    assert again.digest == found.digest
    assert found.build() is not found.build()


class Exploit:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    torch.save({"params": Exploit(tmp_path / "ran")}, tmp_path / "g.pth")
    with pytest.raises(ValueError, match="would run code"):
        read_weights(tmp_path / "g.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, this is no weights file", "neither a safetensors nor a torch file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS"),
        (b"PK\x03\x04 and nothing", "damaged or foreign zip"),
        (b"", "neither"),
    ],
)
def test_other_files_are_refused_by_what_they_are(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "g.pth").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path / "g.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"params": {"body.0.weight": torch.zeros(1)}}, "looks like SRVGGNetCompact"),
        ({"features.0.weight": torch.zeros(1)}, "looks like a VGG or AlexNet"),
        ({"some.thing": torch.zeros(1)}, r"unknown network \(first keys: some.thing\)"),
        ({"iter": 5, "optimizers": []}, r"no tensors but \['iter', 'optimizers'\]"),
        ({"body.0.rdb1.conv1.weight": torch.zeros(1)}, "lacks .*body.0.rdb1.conv2.bias"),
        ([torch.zeros(1)], "no tensors but"),
        (
            {
                "model.1.sub.0.RDB1.conv1.0.weight": torch.zeros(1),
                "model.1.sub.0.RDB1.conv1x1.weight": torch.zeros(1),
            },
            r"looks like ESRGAN\+",
        ),
    ],
)
def test_other_networks_are_refused_by_what_they_look_like(
    tmp_path: Path, content: object, message: str
) -> None:
    torch.save(content, tmp_path / "g.pth")
    with pytest.raises(ValueError, match=message) as caught:
        read_weights(tmp_path / "g.pth")
    assert "g.pth" in str(caught.value)


def test_third_party_files_are_named(test_data: Path) -> None:
    with pytest.raises(ValueError, match="SRVGGNetCompact"):
        read_weights(test_data / "weights" / "realesr-animevideov3.pth")
    with pytest.raises(ValueError, match="VGG or AlexNet"):
        read_weights(test_data / "weights" / "alexnet_features.pth")
