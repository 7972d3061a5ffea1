"""The examples of CONTRIBUTING.md, applied to a copy of the repository and run there."""

import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from esrgan_core.data.pairs import PairStore
from esrgan_core.strict_json import from_json
from pipelines.config.params import read_yaml, write_yaml
from tests.e2e.conftest import command_in, project_copy
from tests.support import ROOT

MODULES = {"esrgan": "pipelines.cli"}
"""Programs whose module has another name; the copy's code is run, not the installed one."""


def apply_example(name: str, folder: Path) -> None:
    """Apply the code blocks of an example in `folder`, in their order, and run its commands."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(
        rf"^## Example: {name}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE
    )
    run = command_in(folder)
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
        match kind:
            case "python":
                first, content = code.split("\n", 1)
                (folder / first.removeprefix("# ")).write_text(content, encoding="utf-8")
            case "diff":
                (folder / "example.diff").write_text(code, encoding="utf-8")
                run("git", "apply", "--recount", "example.diff")
            case _:
                for program, *arguments in map(str.split, code.splitlines()):
                    run(sys.executable, "-m", MODULES.get(program, program), *arguments)


@pytest.fixture
def copy(tmp_path: Path, store: PairStore) -> Path:
    """A copy of the repository with a tiny recipe and the pairs that `bicubic` would write."""
    folder = project_copy(tmp_path / "copy")
    params = read_yaml(folder / "params.yaml")
    params["pretrain"] |= {"steps": 4, "save_every": 4, "validate_every": 4, "report_every": 1}
    params["pretrain"]["schedule"]["warmup"] = 0
    write_yaml(folder / "params.yaml", params)
    shutil.copytree(store.root, folder / "artifacts" / "pairs")
    return folder


def test_a_loss_is_added_as_described(copy: Path) -> None:
    apply_example("a loss", copy)
    assert read_yaml(copy / "params.yaml")["pretrain"]["loss"] == "charbonnier"
    record = from_json((copy / "artifacts" / "pretrain" / "run.json").read_text(encoding="utf-8"))
    assert record["params"]["pretrain"]["loss"] == "charbonnier"
    curve = pd.read_csv(copy / "artifacts" / "pretrain" / "curve.csv")
    assert (curve["g/pixel"].dropna() > 0.001).all()


def test_a_stage_is_added_as_described(copy: Path, store: PairStore) -> None:
    apply_example("a stage", copy)
    colors = pd.read_csv(copy / "artifacts" / "colors" / "colors.csv", index_col="set")
    (name,) = store.names("test")
    assert list(colors.loc["own"]) == pytest.approx(
        store.hr(name).mean(axis=(0, 1)).tolist(), abs=0.01
    )
