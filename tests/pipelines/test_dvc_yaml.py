"""dvc.yaml, the stages' parameters and the import graph, held to each other."""

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import grimp
import pytest

from pipelines.params import DERIVED, read_yaml
from pipelines.tracking.publish import STAGES

ROOT = Path(__file__).parents[2]
STANZAS: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
# what these do shows in no output: reading parameters, progress, records, writing itself
SHELL = (
    "pipelines.disk",
    "pipelines.guardian",
    "pipelines.launch",
    "pipelines.lineage",
    "pipelines.parallel",
    "pipelines.params",
    "pipelines.paths",
    "pipelines.progress",
    "pipelines.status",
    "pipelines.tracking",
    "esrgan_core.files",
)


def file_of(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py") if (ROOT / path).is_dir() else f"{path}.py"


def test_stages_stand_in_the_order_that_publishing_follows() -> None:
    assert tuple(STANZAS) == STAGES


@pytest.mark.parametrize("stage", STANZAS)
def test_name_module_and_command_agree(stage: str) -> None:
    assert STANZAS[stage]["cmd"] == f"python -m pipelines.stages.{stage}"
    assert f"artifacts/{stage}/run.json" in STANZAS[stage]["outs"]


@pytest.mark.parametrize("stage", STANZAS)
def test_parameters_are_those_that_the_stage_reads(stage: str) -> None:
    params = import_module(f"pipelines.stages.{stage}").Params
    wanted = {field.name for field in fields(params)}
    wanted |= {source[0] for (section, _), source in DERIVED.items() if section in wanted}
    assert set(STANZAS[stage]["params"]) == wanted


@pytest.mark.parametrize("stage", STANZAS)
def test_dependencies_are_what_the_stage_imports(stage: str) -> None:
    graph = grimp.build_graph("pipelines", "esrgan_core", cache_dir=None)
    reached, waiting = set(), [f"pipelines.stages.{stage}"]
    while waiting:
        module = waiting.pop()
        if module not in reached and not module.startswith(SHELL):
            reached.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
    code = {name for name in STANZAS[stage]["deps"] if name.startswith(("pipelines", "esrgan"))}
    needed = {file_of(module) for module in reached - {"pipelines", "esrgan_core"}}
    uncovered = {
        path for path in needed if not any(path == c or path.startswith(f"{c}/") for c in code)
    }
    assert not uncovered, "imported, so a change must rerun the stage"
    idle = {c for c in code if not any(path == c or path.startswith(f"{c}/") for path in needed)}
    assert not idle, "not imported, so a change need not rerun the stage"


@pytest.mark.parametrize("stage", STANZAS)
def test_every_stage_is_short(stage: str) -> None:
    lines = (ROOT / "pipelines" / "stages" / f"{stage}.py").read_text().splitlines()
    assert len(lines) <= 90
