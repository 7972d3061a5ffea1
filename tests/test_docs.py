"""Paths, links and commands in the documents exist."""

import re
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser
from typer.main import get_command

from pipelines.cli.app import app
from pipelines.config.params import read_yaml
from tests.support import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "deploy" / "README.md",
]
MAKEFILE = (ROOT / "Makefile").read_text()
CREATED_BY_COMMANDS = (
    "artifacts/", "data", ".venv", ".esrgan", "~", "Set5/", "photo.jpg", "runs/", "esrgan/full",
    "esrgan/sample", "upscale/images",
)  # fmt: skip


def code_in(document: Path) -> list[str]:
    """Inline code, and the lines of code blocks without comments."""
    # the changelog names what was removed, and in the first column of a table what was renamed
    former = re.compile(r"^### Removed\n.*?(?=^#)|^  \|[^|]*\|", re.MULTILINE | re.DOTALL)
    text = former.sub("", document.read_text())
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return inline + [
        line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()
    ]


def outputs() -> set[str]:
    """Paths of all outputs of the pipeline, relative to artifacts/."""
    stages = read_yaml(ROOT / "dvc.yaml")["stages"].values()
    found: set[str] = set()
    for stanza in stages:
        for kind in ("outs", "metrics", "plots"):
            found |= {
                str(next(iter(o)) if isinstance(o, dict) else o) for o in stanza.get(kind, [])
            }
    return {path.removeprefix("artifacts/") for path in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_exist(document: Path) -> None:
    created = outputs()
    for text in code_in(document):
        is_path = re.fullmatch(
            r"[\w.~/-]+\.(py|yaml|dvc|md|toml|json|csv|html|lock)|[\w.-]+/[\w./-]*", text
        )
        if not is_path or text.startswith(CREATED_BY_COMMANDS):
            continue
        below_artifacts = any(
            text.rstrip("/") == out or text.startswith(f"{out}/") for out in created
        ) or any(out.startswith(text) for out in created)
        in_a_stage = any(out.endswith(f"/{text}") for out in created) or text in (
            "manifest.csv", "report/index.html", "validate/docs/",
        )  # fmt: skip
        assert (ROOT / text).exists() or below_artifacts or in_a_stage, text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_exist(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]  # a Typer group
    for text in code_in(document):
        words = text.split()
        match words:
            case ["make", target, *_]:
                assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), text
            case ["esrgan", command, *_]:
                assert command in commands, text
            case ["python", "-m", module, *_]:
                assert (ROOT / Path(*module.split("."))).with_suffix(".py").exists(), text
            case ["dvc", _, *_]:
                # raises an error for an unknown command or option
                get_main_parser().parse_args(text.partition(" && ")[0].split()[1:])


def test_index_lists_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    links = re.findall(r"^\* \[.+?\]\(([^)]+)\): .+\.$", index.read_text(), re.MULTILINE)
    linked = [(index.parent / link).resolve() for link in links]
    assert sorted(linked) == sorted(set(DOCUMENTS) - {index})
