import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.image import write_png
from pipelines.catalog import entries_in, split_by_content
from tests.conftest import textured

ROOT = Path(__file__).parents[2]
HEADER = "name,split,set,uri,bytes,sha256,license,origin\n"


def test_the_sample_has_a_license_and_an_origin_for_every_picture() -> None:
    entries = entries_in(ROOT / "catalogs", ["sample"])
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    assert all(entry.license and entry.origin and len(entry.sha256) == 64 for entry in entries)
    test = {entry.path for entry in entries if entry.split == "test"}
    assert test == {"test/sample/china.jpg", "test/sample/coffee.png"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,dev,s,a.png,1,x,l,o", "split is 'dev'"),
        ("../a,train,s,a.png,1,x,l,o", "cannot name a picture"),
        ("a,test,../s,a.png,1,x,l,o", "cannot name a picture"),
        ("a,train,s,a.png,many,x,l,o", "mine.csv: invalid literal"),
    ],
)
def test_a_malformed_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(HEADER + row + "\n")
    with pytest.raises(ValueError, match=message):
        entries_in(tmp_path, ["mine"])


def test_a_catalog_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(HEADER)
    with pytest.raises(ValueError, match=r"names 'yours'.*\['mine'\]"):
        entries_in(tmp_path, ["yours"])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("name,split\na,train\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['bytes', 'license'"):
        entries_in(tmp_path, ["mine"])


def test_two_pictures_in_one_place_are_refused(tmp_path: Path) -> None:
    rows = "a,train,s,x/a.png,1,x,l,o\na,train,t,y/a.jpg,1,y,l,o\n"
    (tmp_path / "mine.csv").write_text(HEADER + rows)
    with pytest.raises(ValueError, match=r"both called train/a; rename one"):
        entries_in(tmp_path, ["mine"])


def test_folders_decide_the_split(tmp_path: Path) -> None:
    for name in ("train/a.png", "val/b.png", "test/mine/c.png", "test/d.png"):
        write_png(tmp_path / name, textured(16, 16))
    paths = {entry.path for entry in entries_in(tmp_path, ["sample"])}
    assert paths == {"train/a.png", "val/b.png", "test/mine/c.png", "test/own/d.png"}
    write_png(tmp_path / "e.png", textured(16, 16))
    with pytest.raises(ValueError, match=r"e\.png lies outside train, val and test"):
        entries_in(tmp_path, ["sample"])


def test_pictures_without_folders_are_split_by_content(tmp_path: Path) -> None:
    for number in range(12):
        write_png(tmp_path / f"p{number}.png", textured(16, 16, number))
    splits = [entry.split for entry in entries_in(tmp_path, [])]
    assert set(splits) == {"train", "val", "test"}


def digests(seeds: list[int]) -> dict[Path, str]:
    return {Path(str(s)): hashlib.sha256(str(s).encode()).hexdigest() for s in seeds}


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=80, unique=True))
def test_no_split_is_ever_empty(seeds: list[int]) -> None:
    assert set(split_by_content(digests(seeds)).values()) == {"train", "val", "test"}


def test_a_picture_keeps_its_split_when_others_come() -> None:
    few, many = (
        split_by_content(digests(list(range(200)))),
        split_by_content(digests(list(range(900)))),
    )
    assert all(many[path] == split for path, split in few.items())
    assert 60 < sum(split == "test" for split in many.values()) < 120


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 different pictures"):
        split_by_content(digests([1, 2]))
