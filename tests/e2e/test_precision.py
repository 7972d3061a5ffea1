"""Trainings on a CPU without bf16, simulated by limits of the libraries."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from safetensors.torch import load_file

from pipelines.config.params import read_yaml, update_params
from tests.e2e.conftest import command_in

WITHOUT_BF16 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
STEPS = {
    "steps": 4,
    "validate_every": 4,
    "save_every": 4,
    "report_every": 2,
    "schedule": {"warmup": 2},
}


@pytest.fixture(scope="module")
def short(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """(folder, output) of a short training in each precision."""
    root = tmp_path_factory.mktemp("precision")
    found = {}
    for precision in ("auto", "fp32", "bf16"):
        folder = root / precision
        (folder / "artifacts").mkdir(parents=True)
        (folder / "artifacts" / "pairs").symlink_to(trained / "artifacts" / "pairs")
        params = read_yaml(trained / "params.yaml")
        update_params(params, {"pretrain": STEPS | {"precision": precision}})
        YAML().dump(params, folder / "params.yaml")
        run = command_in(folder)
        settings = WITHOUT_BF16 | {
            "PYTHONPATH": str(trained),
            "ESRGAN_STATE": str(root / "state"),
        }
        found[precision] = folder, run("python", "-m", "pipelines.stages.pretrain", **settings)
    return found


def test_auto_has_the_same_bits_as_fp32(short: dict[str, tuple[Path, str]]) -> None:
    auto, explicit = (
        load_file(short[precision][0] / "artifacts/pretrain/generator.safetensors")
        for precision in ("auto", "fp32")
    )
    assert auto.keys() == explicit.keys()
    assert all(bool((auto[name] == explicit[name]).all()) for name in auto)


def test_auto_and_fp32_continue_each_other(
    short: dict[str, tuple[Path, str]],
) -> None:
    assert "continuing after step 4" in short["fp32"][1]


def test_the_precision_is_logged_and_recorded(short: dict[str, tuple[Path, str]]) -> None:
    folder, printed = short["auto"]
    assert "pretrain: training in fp32 on cpu (auto: cpu does not compute in bf16" in printed
    record = json.loads((folder / "artifacts/pretrain/run.json").read_text())
    assert record["precision"] == "fp32"
    assert record["params"]["pretrain"]["precision"] == "auto"


def test_emulated_bf16_trains_after_a_warning_with_a_measurement(
    short: dict[str, tuple[Path, str]],
) -> None:
    folder, printed = short["bf16"]
    assert re.search(
        r"warning: precision is bf16, which cpu emulates: .* takes \d+\.\d times", printed
    )
    assert "has step 4 of this recipe in fp32; to continue it, set pretrain.precision" in printed
    record = json.loads((folder / "artifacts/pretrain/run.json").read_text())
    assert record["precision"] == "bf16"
