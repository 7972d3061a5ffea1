from pathlib import Path

import pytest

from esrgan_core.files import sha256_of
from esrgan_core.image import write_png
from pipelines.catalog import Entry
from pipelines.images import BadPicturesError, fetch_all, read_manifest, write_manifest
from pipelines.sources import LocalFile, WheelResource, fetch, parse_location
from tests.conftest import textured


def entry(uri: str, sha256: str = "", name: str = "a") -> Entry:
    return Entry(
        name=name, split="train", set="s", uri=uri, bytes=0, sha256=sha256, license="l", origin="o"
    )


def test_uris_name_their_source() -> None:
    assert parse_location("wheel://skimage/data/coffee.png") == WheelResource(
        package="skimage", resource="data/coffee.png"
    )
    assert parse_location("file:///a%20b/c.png") == LocalFile(path=Path("/a b/c.png"))
    assert parse_location("pictures/c.png") == LocalFile(path=Path("pictures/c.png"))
    with pytest.raises(ValueError, match="no source for 'ftp'"):
        parse_location("ftp://host/c.png")


def test_a_wheels_picture_arrives_byte_for_byte(tmp_path: Path) -> None:
    fetch("wheel://skimage/data/coffee.png", tmp_path / "coffee.png")
    assert sha256_of(tmp_path / "coffee.png").startswith("cc02f8ca188b167c")
    with pytest.raises(FileNotFoundError, match="not installed; run `make install`"):
        fetch("wheel://skimage/data/none.png", tmp_path / "none.png")
    with pytest.raises(FileNotFoundError, match="not installed"):
        fetch("wheel://no_such_package/none.png", tmp_path / "none.png")


def test_all_bad_pictures_are_named_at_once(tmp_path: Path) -> None:
    write_png(tmp_path / "good.png", textured(16, 16))
    write_png(tmp_path / "other.png", textured(16, 16))
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    entries = [
        entry(str(tmp_path / "good.png"), name="good"),
        entry(str(tmp_path / "cut.png"), name="cut"),
        entry(str(tmp_path / "other.png"), sha256="0" * 64, name="other"),
        entry(str(tmp_path / "none.png"), name="none"),
    ]
    with pytest.raises(BadPicturesError) as caught:
        fetch_all(entries, tmp_path / "images")
    message = str(caught.value)
    assert message.count("\n  ") == 3
    assert "cut.png: damaged" in message
    assert f"the catalog says {'0' * 64}" in message
    assert "no file" in message
    assert "good.png" not in message


def test_the_manifest_comes_back_as_written(tmp_path: Path) -> None:
    write_png(tmp_path / "007.png", textured(16, 20))
    rows = fetch_all([entry(str(tmp_path / "007.png"), name="007")], tmp_path / "images")
    write_manifest(tmp_path / "manifest.csv", rows)
    (row,) = read_manifest(tmp_path / "manifest.csv").to_dict("records")
    assert row["path"] == "train/007.png"
    assert (row["width"], row["height"], row["mode"]) == (20, 16, "RGB")
