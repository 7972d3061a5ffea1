"""`esrgan catalog`, as a user types it."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esrgan_core.io.rgb import write_png
from pipelines.cli.app import app
from pipelines.data.catalog import read_catalog
from tests.conftest import textured
from tests.support.http_server import serving
from tests.support.images import encode_png

HEADER = "name,split,set,uri,bytes,sha256,license,origin\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    return tmp_path


def run(*args: str, fails: bool = False) -> str:
    done = CliRunner().invoke(app, ["catalog", *args])
    if done.exception and not isinstance(done.exception, SystemExit):
        return str(done.exception)
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def test_a_catalog_lists_the_images_of_a_folder(folder: Path) -> None:
    for seed in range(5):
        write_png(folder / f"photos/a b/p{seed}.png", textured(20, 20, seed))
    out = run("photos", "-o", "mine.csv", "--license", "CC0-1.0", "--citation", "me")
    assert "mine.csv: 5 images" in out
    entries = read_catalog(folder / "mine.csv").entries
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    assert {entry.license for entry in entries} == {"CC0-1.0"}
    for entry in entries:
        assert entry.source.expected.sha256
        assert entry.name.startswith("a b_p")


def test_a_folder_can_be_one_split(folder: Path) -> None:
    write_png(folder / "photos/p.png", textured(20, 20))
    run("make", "photos", "-o", "mine.csv", "--split", "test", "--set", "holiday")
    (entry,) = read_catalog(folder / "mine.csv").entries
    assert entry.pair_name == "test/holiday/p"
    assert "not one of train, val, test" in run("photos", "-o", "m.csv", "--split", "dev")


def test_a_bad_image_prevents_the_catalog_unless_skipped(folder: Path) -> None:
    for seed in range(3):
        write_png(folder / f"photos/p{seed}.png", textured(20, 20, seed))
    (folder / "photos/bad.png").write_bytes(b"no")
    out = run("photos", "-o", "mine.csv", fails=True)
    assert "bad.png: not an image" in out
    assert not (folder / "mine.csv").exists()
    assert "skipped" in run("photos", "-o", "mine.csv", "--skip-bad")
    assert len(read_catalog(folder / "mine.csv").entries) == 3


def test_pirm_is_recognized_by_its_images(folder: Path) -> None:
    for number in range(1, 101):
        write_png(folder / f"Original/{number}.png", textured(12, 12, number))
    run("Original", "-o", "pirm.csv")
    entries = read_catalog(folder / "pirm.csv").entries
    assert {(entry.split, entry.set) for entry in entries} == {("test", "pirm")}
    assert "Blau" in entries[0].citation


def test_a_missing_or_empty_folder_is_named(folder: Path) -> None:
    assert "no folder none" in run("none", "-o", "mine.csv")
    (folder / "empty").mkdir()
    assert f"no images in {folder / 'empty'}" in run("empty", "-o", "mine.csv")


def test_pinning_adds_only_missing_checksums(folder: Path) -> None:
    files = {f"{seed}.png": encode_png(textured(20, 20, seed)) for seed in range(2)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.png", files["0.png"])
    files |= {"d.zip": packed.getvalue(), "busy.png": b"<html>busy</html>"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with serving(files) as server:
        rows = [
            f"a,train,s,{server.url('0.png')},,,l,o",
            f"b,val,s,{server.url('1.png')},{len(files['1.png'])},{digests['1.png']},l,o",
            f"c,test,s,{server.url('gone.png')},,,l,o",
            f"d,archive,s,{server.url('d.zip')},,,l,o",
            "e,test,s,archive://d/x.png,,,l,o",
            f"f,test,s,{server.url('busy.png')},,,l,o",
            f"{{1..2}},test,s,{server.url('{1..2}.png')},,,l,o",
        ]
        (folder / "catalogs").mkdir()
        (folder / "catalogs/mine.csv").write_text(HEADER + "\n".join(rows) + "\n")
        out = run("pin", "mine", fails=True)
        assert "2 pinned" in out
        assert "gone.png" in out
        assert "busy.png: not an image" in out
        asked = len(server.requests)
        run("pin", "catalogs/mine.csv", fails=True)
        assert sorted({path for path, _ in server.requests[asked:]}, reverse=True) == [
            "/gone.png",
            "/busy.png",
        ]
    lines = (folder / "catalogs/mine.csv").read_text().splitlines()[1:]
    pinned = rows[0].replace(",,,l", f",{len(files['0.png'])},{digests['0.png']},l")
    assert lines[0] == pinned
    assert lines[1:3] == rows[1:3]
    assert digests["d.zip"] in lines[3]
    assert lines[4:] == rows[4:]


def test_a_missing_catalog_is_named() -> None:
    assert "no catalog catalogs/none.csv" in run("pin", "none")


def test_help_lists_commands_and_options() -> None:
    assert "pin" in run("--help")
    assert "--skip-bad" in run("make", "--help")
