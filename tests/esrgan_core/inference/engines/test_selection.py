"""Torch decides only where files do not tell enough."""

import pytest
import torch

from esrgan_core import devices
from esrgan_core.inference.engines import selection
from esrgan_core.inference.engines.ncnn_engine import NcnnEngine
from esrgan_core.inference.engines.selection import build_engines, is_fp32_on_cpu
from esrgan_core.machine import Machine
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.weights import network_state
from tests.support.networks import SMALL, lively

OLD, NEW = frozenset({"avx2"}), frozenset({"avx2", "avx512_bf16"})


@pytest.mark.parametrize(
    ("device", "precision", "flags", "may_have_gpu", "asks"),
    [
        ("auto", "auto", OLD, False, False),
        ("cpu", "auto", OLD, True, False),
        ("cpu", "fp32", None, True, False),
        ("auto", "fp32", NEW, False, False),
        ("auto", "auto", NEW, False, True),
        ("auto", "auto", None, False, True),
        ("auto", "fp32", OLD, True, True),
        ("cpu", "bf16", OLD, False, True),
        ("cuda", "fp32", OLD, True, True),
    ],
)
def test_torch_decides_where_files_do_not(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    precision: str,
    flags: frozenset[str] | None,
    may_have_gpu: bool,
    asks: bool,
) -> None:
    machine = Machine(flags=flags, may_have_gpu=may_have_gpu)
    monkeypatch.setattr(selection, "find_machine", lambda: machine)
    asked = list[str]()

    def resolve(name: str) -> torch.device:
        asked.append(name)
        return torch.device("cuda" if name != "cpu" and may_have_gpu else "cpu")

    monkeypatch.setattr(devices, "resolve_device", resolve)
    monkeypatch.setattr(devices, "has_native_bf16", lambda device: flags != OLD)
    wanted = not asks
    assert is_fp32_on_cpu(device, precision) == wanted  # type: ignore[arg-type]
    assert asked == [device] * asks


def test_torchs_network_is_built_once_and_only_where_it_is_needed() -> None:
    network, built = network_state(lively(SMALL)), list[int]()

    def build() -> torch.nn.Module:
        built.append(1)
        return network.build()

    counted = NetworkState(config=SMALL, arrays=network.arrays, build=build)  # type: ignore[arg-type]
    engines = build_engines(counted, device="cpu", precision="fp32", engine="ncnn")
    assert not built
    assert engines.fallback() is engines.fallback()
    assert engines.fallback().name == "torch"
    assert len(built) == 1


def test_both_engines_take_the_threads_that_they_are_given() -> None:
    network, before = network_state(lively(SMALL)), torch.get_num_threads()
    engines = build_engines(network, device="cpu", precision="fp32", engine="ncnn", threads=3)
    assert isinstance(engines.full, NcnnEngine)
    assert engines.full.threads == 3 != torch.get_num_threads()
    try:
        engines.fallback()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
