"""The engine is chosen by a test, whose result is kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.selection import EngineProbe
from esrgan_core.models.build import Generator, build_generator
from esrgan_core.models.configs import SRCNNConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import network_state
from pipelines.upscaling import engines
from pipelines.upscaling.engines import PROBES, choose_engine
from pipelines.upscaling.jobs import Output
from pipelines.upscaling.journal import settings_key
from pipelines.upscaling.model import Model
from tests.support.networks import SMALL

AUTO = UpscaleConfig(device="cpu", precision="fp32", engine="auto")


def fail(network: NetworkState) -> EngineProbe:
    raise AssertionError("tested again")


def small() -> NetworkState:
    return network_state(RRDBNet(SMALL).eval())


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    return tmp_path


def test_a_test_is_made_once_for_each_network(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = list[str]()
    first, second = small(), small()
    chosen = choose_engine(AUTO, first, messages.append)
    assert messages[0].startswith("comparing the engines")
    (values,) = json.loads((state / PROBES).read_text()).values()
    assert chosen == replace(AUTO, engine=EngineProbe(**values).engine)
    monkeypatch.setattr(engines, "probe_ncnn", fail)
    assert choose_engine(AUTO, first, messages.append) == chosen
    assert [message.split(":")[0] for message in messages[1:]] == [f"engine {chosen.engine}"] * 2
    with pytest.raises(AssertionError, match="tested again"):
        choose_engine(AUTO, second, messages.append)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    with pytest.raises(AssertionError, match="tested again"):
        choose_engine(AUTO, first, messages.append)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    monkeypatch.setattr(engines, "default_threads", lambda: 99)
    with pytest.raises(AssertionError, match="tested again"):
        choose_engine(AUTO, first, messages.append)


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": 1}', '{"a": {"speed": 1}}'])
def test_a_damaged_file_is_made_again(state: Path, damage: str) -> None:
    (state / PROBES).write_text(damage)
    choose_engine(AUTO, small(), lambda message: None)
    (values,) = json.loads((state / PROBES).read_text()).values()
    assert values["speedup"] > 0


def test_what_decides_without_a_test(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "probe_ncnn", fail)

    def engine(config: UpscaleConfig, network: Generator | None = None) -> str:
        state = small() if network is None else network_state(network)
        return choose_engine(config, state, lambda message: None).engine

    assert engine(replace(AUTO, engine="torch")) == "torch"
    assert engine(replace(AUTO, engine="ncnn")) == "ncnn"
    assert engine(replace(AUTO, precision="bf16")) == "torch"
    assert engine(AUTO, build_generator(SRCNNConfig()).eval()) == "torch"


def test_the_journal_does_not_mix_engines() -> None:
    model = Model(network=small(), description="")
    keys = [
        settings_key(model, replace(AUTO, engine=engine), Output()) for engine in ("torch", "ncnn")
    ]
    assert keys[0] != keys[1]
    before = replace(AUTO, engine="torch")
    assert keys[0] == settings_key(model, before, Output())
