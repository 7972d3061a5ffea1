"""docs/architecture.md agrees with the import-linter contract and with the import graph."""

import re
import tomllib

import grimp
import pytest

from tests.support import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOTS = ("pipelines", "esrgan_core")


def diagram() -> list[list[str]]:
    """Packages of each line of the diagram, top first."""
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    return [re.split(r"\s{2,}", line)[0].split(" | ") for line in block.splitlines()]


def contract() -> list[list[str]]:
    """Layers of `pipelines` that import-linter checks, top first."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["pipelines"]
    ]
    return [layer.split(" | ") for layer in layers]


def paths() -> dict[str, list[tuple[str, str]]]:
    """(module, line) of every numbered list, by its heading."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    hops = {
        heading: re.findall(r"^\d+\. `([\w/]+)\.py` (.*)$", text, re.MULTILINE)
        for heading, text in sections
    }
    return {
        heading: [(path.replace("/", "."), line) for path, line in found]
        for heading, found in hops.items()
        if found
    }


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, cache_dir=None)


def test_layers_are_those_of_the_import_linter_contract() -> None:
    assert diagram() == [*contract(), ["esrgan_core"]]


def test_diagram_has_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "pipelines").glob("*/__init__.py")}
    assert {name for line in diagram() for name in line} == {*packages, "esrgan_core"}


def test_no_import_runs_upwards_or_sideways(graph: grimp.ImportGraph) -> None:
    layer = {name: number for number, line in enumerate(diagram()) for name in line}
    upwards = []
    for importer in graph.modules - {"pipelines"}:
        for imported in graph.find_modules_directly_imported_by(importer) - {"pipelines"}:
            above, below = (
                name.split(".")[name.startswith("pipelines.")] for name in (importer, imported)
            )
            if above != below and layer[above] >= layer[below]:
                upwards.append((importer, imported))
    assert not upwards


@pytest.mark.parametrize("heading", ["A batch", "An image", "A run"])
def test_every_hop_is_imported_by_an_earlier_one(heading: str, graph: grimp.ImportGraph) -> None:
    hops = paths()[heading]
    assert len(hops) > 5
    imported: set[str] = set()
    for number, (module, line) in enumerate(hops):
        assert module in graph.modules
        assert number == 0 or "new process" in line or module in imported, module
        imported |= graph.find_modules_directly_imported_by(module)
