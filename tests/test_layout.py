"""The layout of the code: packages, import cycles, sizes and words."""

import ast
import re
import subprocess
from pathlib import Path

import grimp
import networkx

from tests.support import ROOT

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
CODE = ("pipelines", "esrgan_core", "benchmarks", "tests")
AVOIDED = re.compile(
    r"\b(told|insist|contender|leaves its|anew|pictures?|likeness|setbacks?|remarks?|beside"
    r"|look-?alikes?|anybody|go(?:es)? on|a image)\b",
    re.IGNORECASE,
)
"""Words that the field has another term for: reported, method, writes, again, image, rollback."""
ALLOWED = re.compile(r'"(told|setbacks|pictures)"|esrgan\.pictures|/pictures`|leaves its own')
"""Keys that are stored, old names in the changelog, and a verb where it is right."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


SOURCES = tracked(*(f"{folder}/*.py" for folder in CODE))


def test_every_module_of_pipelines_is_in_a_package() -> None:
    assert [path.name for path in (ROOT / "pipelines").glob("*.py")] == ["__init__.py"]


def test_modules_do_not_import_each_other_in_a_cycle() -> None:
    graph = grimp.build_graph("pipelines", "esrgan_core", cache_dir=None)
    imports = networkx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    cycles = [found for found in networkx.strongly_connected_components(imports) if len(found) > 1]
    assert not cycles


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    too_long = {
        str(path.relative_to(ROOT)): length
        for path, length in lengths.items()
        if length > MAX_FILE_LINES
    }
    assert not too_long


def test_functions_are_short() -> None:
    too_long = {
        f"{path.relative_to(ROOT)}:{node.name}": length
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert not too_long


def test_names_and_sentences_use_the_terms_of_the_field() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked(
            "*.py", "*.md", "*.yaml", "*.j2", "*.js", "*.toml", "Makefile", ".ci/run"
        )
        if path != Path(__file__) and path.parent.name != "results"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if AVOIDED.search(ALLOWED.sub("", line))
    ]
    assert not found
