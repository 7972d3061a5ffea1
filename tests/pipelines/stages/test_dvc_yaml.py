"""dvc.yaml, the stages' parameters and the import graph, held to each other."""

import shutil
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import grimp
import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from pipelines.config.params import DERIVED_KEYS, read_yaml
from pipelines.tracking.publish import BASELINES, STAGES
from tests.support import ROOT


@dataclass(frozen=True, kw_only=True)
class Stanza:
    """A stage of one of the two pipelines, as DVC understands it."""

    cmd: str
    deps: set[str]
    params: set[str]
    outs: set[str]

    @property
    def module(self) -> str:
        return self.cmd.rpartition(" ")[2]


def stanzas(root: Path) -> dict[str, Stanza]:
    """Stages of both pipelines, from a folder without the `.dvcignore` of the second."""
    for name in ("dvc.yaml", "params.yaml", "pipelines/baselines/dvc.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    found = {}
    with Repo.init(str(root), no_scm=True) as repo:
        for stage in repo.index.stages:
            if not stage.cmd:
                continue
            params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
            stanza = Stanza(
                cmd=stage.cmd,
                deps={
                    str(Path(dep.fs_path).relative_to(root))
                    for dep in stage.deps
                    if dep not in params
                },
                params={name for dep in params for name in dep.params},
                outs={str(Path(out.fs_path).relative_to(root)) for out in stage.outs},
            )
            found[stanza.module.rpartition(".")[2]] = stanza
    return found


with TemporaryDirectory() as folder:
    STANZAS = stanzas(Path(folder).resolve())
# modules that do not change outputs: parameters, progress, records, writing
SHELL = (
    "pipelines.config",
    "pipelines.runtime",
    "pipelines.sources.pinned",
    "pipelines.stages.params_check",
    "pipelines.stages.runner",
    "pipelines.stages.sections",
    "pipelines.tracking",
    "esrgan_core.bounds",
    "esrgan_core.files",
    "esrgan_core.records",
    "esrgan_core.strict_json",
)
SHOWN = ("pipelines.runtime.tables",)
"""Exceptions: a number that is read otherwise is another result."""


def file_of(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py") if (ROOT / path).is_dir() else f"{path}.py"


def test_stages_stand_in_the_order_that_publishing_follows() -> None:
    assert tuple(read_yaml(ROOT / "dvc.yaml")["stages"]) == tuple(STAGES)
    assert set(STANZAS) == {*STAGES, *BASELINES}


@pytest.mark.parametrize("stage", STANZAS)
def test_name_module_and_command_agree(stage: str) -> None:
    folder = "stages" if stage in STAGES else "baselines"
    assert STANZAS[stage].cmd == f"python -m pipelines.{folder}.{stage}"
    assert f"artifacts/{stage}/run.json" in STANZAS[stage].outs


@pytest.mark.parametrize("stage", STANZAS)
def test_parameters_are_those_that_the_stage_reads(stage: str) -> None:
    params = import_module(STANZAS[stage].module).Params
    wanted = {field.name for field in fields(params)}
    wanted |= {source[0] for (section, _), source in DERIVED_KEYS.items() if section in wanted}
    assert STANZAS[stage].params == wanted


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pipelines", "esrgan_core", cache_dir=None)


@pytest.mark.parametrize("stage", STANZAS)
def test_dependencies_are_what_the_stage_imports(stage: str, graph: grimp.ImportGraph) -> None:
    reached, waiting = set(), [STANZAS[stage].module]
    while waiting:
        module = waiting.pop()
        if module not in reached and (module in SHOWN or not module.startswith(SHELL)):
            reached.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
    code = {name for name in STANZAS[stage].deps if name.startswith(("pipelines", "esrgan"))}
    needed = {file_of(module) for module in reached - {"pipelines", "esrgan_core"}}
    uncovered = {
        path for path in needed if not any(path == c or path.startswith(f"{c}/") for c in code)
    }
    assert not uncovered, "imported, so a change must rerun the stage"
    code = {name for name in code if name.endswith(".py") or (ROOT / name).is_dir()}
    idle = {c for c in code if not any(path == c or path.startswith(f"{c}/") for path in needed)}
    assert not idle, "not imported, so a change need not rerun the stage"


@pytest.mark.parametrize("stage", STANZAS)
def test_every_stage_is_short(stage: str) -> None:
    lines = (ROOT / file_of(STANZAS[stage].module)).read_text().splitlines()
    assert len(lines) <= 90
