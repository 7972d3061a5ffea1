import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.validation import Fault, picture_frame, validate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def frame(**changes: dict[str, Any]) -> pd.DataFrame:
    """Three good pictures, some columns of some of them changed."""
    same = {"width": 300, "height": 301, "mode": "RGB", "damage": ""}
    rows = {
        name: same
        | {"path": f"{split}/{name}.png", "split": split, "sha256": name, "sha256_now": name}
        for name, split in (("a", "train"), ("b", "val"), ("c", "test"))
    }
    for name, change in changes.items():
        rows.setdefault(name, dict(rows["a"])).update(change)
    table = pd.DataFrame(rows.values())
    now = ["sha256_now", "damage"]
    return picture_frame(table.drop(columns=now), table[now], 4)


def faults(table: pd.DataFrame, folder: Path) -> list[Fault]:
    return validate(
        table, min_side=200, modes=["RGB", "L"], report=folder / "report.json", docs=folder / "docs"
    )


def test_good_pictures_pass_and_leave_report_and_docs(tmp_path: Path) -> None:
    assert faults(frame(), tmp_path) == []
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["success"]
    assert report["pictures"] == 3
    assert "Expectation" in (tmp_path / "docs" / "index.html").read_text()


@pytest.mark.parametrize(
    ("changes", "path", "what"),
    [
        ({"a": {"width": 199}}, "train/a.png", "width too small"),
        ({"a": {"height": 203, "width": 203}, "b": {"height": 202}}, "", ""),
        ({"b": {"mode": "RGBA"}}, "val/b.png", "wrong mode"),
        ({"c": {"damage": "broken data stream"}}, "test/c.png", "does not decode"),
        ({"a": {"sha256_now": "z"}}, "train/a.png", "changed since download"),
        ({"d": {"path": "train/d.png"}}, "train/d.png", "same content"),
        ({"d": {"path": "test/d.png", "split": "test"}}, "test/d.png", "in several splits"),
    ],
)
def test_each_fault_names_its_picture_and_remedy(
    tmp_path: Path, changes: dict[str, dict[str, Any]], path: str, what: str
) -> None:
    found = faults(frame(**changes), tmp_path)
    if not what:
        assert found == []
        return
    (match,) = [fault for fault in found if what in fault.what and fault.path == path]
    assert match.remedy
    assert not json.loads((tmp_path / "report.json").read_text())["success"]
    assert path in (tmp_path / "report.json").read_text()


def test_an_empty_split_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(frame(b={"split": "train", "path": "train/b.png"}), tmp_path)
    assert fault.what == "a split is empty"
