import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from esrgan_core.io.rgb import write_png
from pipelines.data.local_folder import load_catalog, split_by_content
from tests.conftest import textured


def test_folders_decide_the_split(tmp_path: Path) -> None:
    for name in ("train/a.png", "val/b.png", "test/mine/c.png", "test/d.png"):
        write_png(tmp_path / name, textured(16, 16))
    paths = {entry.path for entry in load_catalog(tmp_path, ["sample"], 4).entries}
    assert paths == {"train/a.png", "val/b.png", "test/mine/c.png", "test/own/d.png"}
    write_png(tmp_path / "e.png", textured(16, 16))
    with pytest.raises(ValueError, match=r"e\.png is outside of train, val and test"):
        load_catalog(tmp_path, ["sample"], 4)


def test_images_without_folders_are_split_by_content(tmp_path: Path) -> None:
    for number in range(12):
        write_png(tmp_path / f"p{number}.png", textured(16, 16, number))
    splits = [entry.split for entry in load_catalog(tmp_path, [], 4).entries]
    assert set(splits) == {"train", "val", "test"}


def test_files_that_are_left_out_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, suffix in enumerate(("png", "gif", "webp", "jp2", "ppm", "tga")):
        Image.fromarray(textured(16, 16, number)).save(tmp_path / f"{number}.{suffix}")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert len(load_catalog(tmp_path, [], 4).entries) == 6
    assert capsys.readouterr().err.splitlines() == [
        f"1 left out, not an image by its suffix: {tmp_path}/notes.txt",
        f"1 left out, a broken link: {tmp_path}/gone.png",
    ]
    (tmp_path / "mine.csv").write_text(
        "name,split,set,uri,bytes,sha256,license,origin\na,train,own,0.png,,,,\n"
    )
    load_catalog(tmp_path, ["mine"], 4)
    assert not capsys.readouterr().err


def digests(seeds: list[int]) -> dict[Path, str]:
    return {Path(str(s)): hashlib.sha256(str(s).encode()).hexdigest() for s in seeds}


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=80, unique=True))
def test_no_split_is_empty(seeds: list[int]) -> None:
    assert set(split_by_content(digests(seeds)).values()) == {"train", "val", "test"}


def test_an_image_keeps_its_split_when_others_are_added() -> None:
    few, many = (
        split_by_content(digests(list(range(200)))),
        split_by_content(digests(list(range(900)))),
    )
    assert all(many[path] == split for path, split in few.items())
    assert 60 < sum(split == "test" for split in many.values()) < 120


def test_too_few_images_are_rejected() -> None:
    with pytest.raises(ValueError, match="at least 3 different images"):
        split_by_content(digests([1, 2]))


def test_lr_is_found_by_the_name_of_its_hr(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "val/c", "test/mine/d"):
        write_png(tmp_path / f"{name}.png", textured(16, 16))
    for name in ("train/a", "train/bx4", "val/c_x2", "test/mine/d"):
        write_png(tmp_path / "lr" / f"{name}.png", textured(4, 4))
    catalog = load_catalog(tmp_path, [], 4)
    assert {entry.path for entry in catalog.select_lr(4).entries if entry.kind != "hr"} == {
        "lr/train/a.png", "lr/train/b.png", "lr/test/mine/d.png",
    }  # fmt: skip
    assert [e.path for e in catalog.select_lr(2).entries if e.kind != "hr"] == ["lr/val/c.png"]
    assert all(entry.kind == "hr" for entry in catalog.select_lr(None).entries)
    write_png(tmp_path / "lr" / "train" / "z.png", textured(4, 4))
    with pytest.raises(ValueError, match=r"z\.png is an LR without HR"):
        load_catalog(tmp_path, [], 4)


def test_an_equal_path_takes_precedence_over_a_scale_in_the_name(tmp_path: Path) -> None:
    for name in ("train/foxx2", "val/b", "test/c"):
        write_png(tmp_path / f"{name}.png", textured(16, 16))
    write_png(tmp_path / "lr/train/foxx2.png", textured(4, 4))
    (lr,) = [e for e in load_catalog(tmp_path, [], 3).entries if e.kind != "hr"]
    assert (lr.kind, lr.pair_name) == ("lrx3", "train/foxx2")


def test_images_that_differ_only_in_their_suffix_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "b.png"):
        write_png(tmp_path / "train" / name, textured(16, 16))
    with pytest.raises(ValueError, match="differ only in their suffix"):
        load_catalog(tmp_path, [], 4)


def test_links_are_followed_and_hidden_folders_are_not(tmp_path: Path) -> None:
    write_png(tmp_path / "real/a.png", textured(16, 16))
    write_png(tmp_path / "data/val/b.png", textured(16, 16))
    write_png(tmp_path / "data/test/.thumbs/c.png", textured(16, 16))
    (tmp_path / "data/train").symlink_to(tmp_path / "real")
    (tmp_path / "real/again").symlink_to(tmp_path / "real")
    places = {entry.pair_name for entry in load_catalog(tmp_path / "data", [], 4).entries}
    assert places == {"train/a", "val/b"}
