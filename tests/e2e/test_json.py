"""JSON files and the JSON output of commands are valid: no NaN, no Infinity."""

import json
import re
from pathlib import Path

from esrgan_core.io.rgb import write_png
from tests.conftest import textured
from tests.e2e.conftest import Run


def parse_strictly(text: str) -> object:
    """Parse JSON; reject NaN and Infinity, which Python's parser accepts."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_json_file_is_valid(project: Path) -> None:
    found = [
        path
        for folder in ("artifacts", ".esrgan")
        for path in (project / folder).rglob("*.json*")
        if path.suffix in (".json", ".jsonl")
    ]
    for path in found:
        text = path.read_text(encoding="utf-8")
        for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
            parse_strictly(part)
    # the search found files of artifacts, of checkpoints and of MLflow
    for kind in ("artifacts/*/run.json", ".esrgan/checkpoints/*/*/metrics.jsonl"):
        assert [*project.glob(kind)], kind
    assert [path for path in found if "evidence" in path.name]
    page = (project / "artifacts/evaluate/report/index.html").read_text(encoding="utf-8")
    for embedded in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S):
        parse_strictly(embedded)


def test_json_output_of_commands_is_valid(esrgan: Run, project: Path, tmp_path: Path) -> None:
    for name in ("hr", "sr"):
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / "a.png", textured(200, 200))
    words = ["evaluate", "--hr", str(tmp_path / "hr"), "--sr", str(tmp_path / "sr"), "--json"]
    printed = [esrgan(*command) for command in (words, ["verify", "--json"], ["doctor", "--json"])]
    # progress is printed before it
    content = [
        parse_strictly(re.split(r"^(?=[\[{])", text, maxsplit=1, flags=re.M)[1]) for text in printed
    ]
    assert "infinite" in str(content[0])
