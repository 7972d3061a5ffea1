from collections import Counter
from pathlib import Path

import pytest

from pipelines.data.catalog import read_catalog, read_rows, write_rows
from pipelines.data.local_folder import load_catalog
from tests.support import ROOT

HEADER = "name,split,set,uri,bytes,sha256,license,origin\n"


def test_every_image_of_the_sample_has_a_license_and_an_origin() -> None:
    entries = load_catalog(ROOT / "catalogs", ["sample"], 4).entries
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    assert all(entry.license and entry.origin for entry in entries)
    assert all(len(entry.source.expected.sha256) == 64 for entry in entries)
    test = {entry.path for entry in entries if entry.split == "test"}
    assert test == {"test/sample/china.jpg", "test/sample/coffee.png"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,dev,s,a.png,1,ab,l,o", "split is 'dev'"),
        ("../a,train,s,a.png,1,ab,l,o", "cannot name an image"),
        ("a,test,../s,a.png,1,ab,l,o", "cannot name an image"),
        ("a,train,s,a.png,many,ab,l,o", "mine.csv, line 2: invalid literal"),
        ("a,train,s,a.png,1,../../x,l,o", "must be up to 64 hex digits"),
        ("a\x07,train,s,a.png,1,ab,l,o", "control characters"),
        ("a,train,s,ftp://host/a.png,1,ab,l,o", "no source for 'ftp'"),
        ("a,train,s,archive://b.zip/a.png,1,,l,o", "no row of split archive"),
        ("{1..3},train,s,{1..2}.png,,,l,o", "the same once in the URI"),
        ("{1..3},train,s,{1..3}.png,,abc,l,o", "must not have a checksum"),
        ("{3..1},train,s,{3..1}.png,,,l,o", "ends before it begins"),
        ("a,train,s,a.png,1,ab,l,o,more", "line 2: more values than columns"),
    ],
)
def test_a_malformed_row_is_rejected(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(HEADER + row + "\n")
    with pytest.raises(ValueError, match=message):
        load_catalog(tmp_path, ["mine"], 4)


def test_the_error_of_a_missing_catalog_lists_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(HEADER)
    with pytest.raises(ValueError, match=r"names 'yours'.*\['mine'\]"):
        load_catalog(tmp_path, ["yours"], 4)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("name,split\na,train\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['bytes', 'license'"):
        load_catalog(tmp_path, ["mine"], 4)


def test_two_images_with_one_path_are_rejected(tmp_path: Path) -> None:
    rows = "a,train,s,x/a.png,1,ab,l,o\na,train,t,y/a.jpg,1,cd,l,o\n"
    (tmp_path / "mine.csv").write_text(HEADER + rows)
    with pytest.raises(ValueError, match=r"both named train/a; rename one"):
        load_catalog(tmp_path, ["mine"], 4)


def test_unknown_columns_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(HEADER.replace("origin", "origin,shasum"))
    with pytest.raises(ValueError, match=r"unknown columns \['shasum'\]"):
        load_catalog(tmp_path, ["mine"], 4)


def test_a_range_is_expanded(tmp_path: Path) -> None:
    rows = "b.zip,archive,s,https://host/b.zip,9,ab,l,o\n"
    rows += "{008..011},train,s,archive://b.zip/in/{008..011}.png,,,l,o\n"
    (tmp_path / "mine.csv").write_text(HEADER + rows)
    catalog = read_catalog(tmp_path / "mine.csv")
    assert [entry.path for entry in catalog.entries] == [
        f"train/{number}.png" for number in ("008", "009", "010", "011")
    ]
    assert str(catalog.entries[1].source.location) == "archive://b.zip/in/009.png"
    assert catalog.archives["b.zip"].expected.bytes == 9


def test_an_archive_without_used_images_is_removed(tmp_path: Path) -> None:
    rows = "b.zip,archive,s,https://host/b.zip,9,ab,l,o\n"
    rows += "a,train,s,archive://b.zip/a.png,,,l,o\nc,val,s,c.png,,,l,o\n"
    (tmp_path / "mine.csv").write_text(HEADER + rows)
    catalog = load_catalog(tmp_path, ["mine"], 4).exclude(["train/a"])
    assert [entry.pair_name for entry in catalog.entries] == ["val/c"]
    assert catalog.archives == {}
    with pytest.raises(ValueError, match=r"exclude names unknown images: \['train/z'\]"):
        catalog.exclude(["train/z"])


def test_rows_are_read_as_written(tmp_path: Path) -> None:
    for path in sorted((ROOT / "catalogs").glob("*.csv")):
        write_rows(tmp_path / "copy.csv", read_rows(path))
        assert (tmp_path / "copy.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("div2k", {"train": 800, "val": 100}),
        ("flickr2k", {"train": 2650}),
        ("set5", {"test": 5}),
        ("set14", {"test": 14}),
        ("bsd100", {"test": 100}),
        ("urban100", {"test": 100}),
    ],
)
def test_the_published_sets_are_complete_and_pinned(name: str, counts: dict[str, int]) -> None:
    catalog = read_catalog(ROOT / "catalogs" / f"{name}.csv")
    hr = [entry for entry in catalog.entries if entry.kind == "hr"]
    assert Counter(entry.split for entry in hr) == counts
    assert all(entry.citation and entry.license for entry in hr)
    files = list(catalog.archives.values()) or [entry.source for entry in catalog.entries]
    assert all(file.expected.is_pinned for file in files)
    if name not in ("div2k", "flickr2k"):
        lr = {entry.pair_name for entry in catalog.entries if entry.kind == "lrx4"}
        assert lr == {entry.pair_name for entry in hr}


def test_local_copies_match_the_catalogs(test_data: Path) -> None:
    compared = 0
    for name in ("Set5", "Set14", "BSD100"):
        for entry in read_catalog(ROOT / "catalogs" / f"{name.lower()}.csv").entries:
            folder = {"hr": "HR", "lrx4": "LRbicx4"}[entry.kind]
            found = list((test_data / "sets" / name / folder).glob(f"{entry.name}*.png"))
            if found:
                assert entry.source.expected.mismatch(found[0]) == "", entry
                compared += 1
    assert compared == 2 * (5 + 14 + 20)


def test_an_lr_without_hr_is_rejected(tmp_path: Path) -> None:
    header = HEADER.replace("origin", "origin,kind")
    (tmp_path / "mine.csv").write_text(
        f"{header}a,train,s,a.png,,,l,o,\nb,val,s,b.png,,,l,o,lrx4\n"
    )
    with pytest.raises(ValueError, match=r"b\.png is an LR of val/b, which does not exist"):
        load_catalog(tmp_path, ["mine"], 4)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"c'])
def test_a_file_that_is_not_csv_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.csv"):
        load_catalog(tmp_path, ["mine"], 4)


def test_an_empty_catalog_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(HEADER)
    with pytest.raises(ValueError, match="no images"):
        load_catalog(tmp_path, ["mine"], 4)


def test_a_path_always_has_a_suffix(tmp_path: Path) -> None:
    rows = "a.1,train,s,https://h/a.png?size=2,,,l,o\na.2,train,s,https://h/download,,,l,o\n"
    (tmp_path / "mine.csv").write_text(HEADER + rows)
    paths = [entry.path for entry in load_catalog(tmp_path, ["mine"], 4).entries]
    assert paths == ["train/a.1.png", "train/a.2.image"]
