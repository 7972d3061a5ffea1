import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.config.errors import UserError
from pipelines.data.catalog import Catalog, CatalogEntry
from pipelines.data.download import fetch_all, report_estimate
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import RemoteFile, parse_location
from pipelines.sources.transfer import TransferOptions
from tests.conftest import textured
from tests.support import ROOT
from tests.support.http_server import FAST_RETRY, Misbehavior, Server, serving
from tests.support.images import encode_png

IMAGES = {f"{number}.png": encode_png(textured(20, 24, number)) for number in range(12)}
HASTE = TransferOptions(retry=FAST_RETRY)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def server() -> Iterator[Server]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in IMAGES.items():
            file.writestr(f"set/{name}", content)
    with serving({**IMAGES, "all.zip": packed.getvalue()}) as serves:
        yield serves


def entry(name: str, uri: str, expected: ExpectedFile | None = None, **words: str) -> CatalogEntry:
    source = RemoteFile(location=parse_location(uri), expected=expected or ExpectedFile())
    return CatalogEntry(name=name, split="train", set="s", source=source, **words)


def pinned(content: bytes) -> ExpectedFile:
    return ExpectedFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def singles(server: Server) -> Catalog:
    entries = [
        entry(name.partition(".")[0], server.url(name), pinned(content))
        for name, content in IMAGES.items()
    ]
    return Catalog(entries=entries, archives={})


def packed(server: Server, archive: str = "all.zip") -> Catalog:
    entries = [entry(name.partition(".")[0], f"archive://{archive}/set/{name}") for name in IMAGES]
    origin = RemoteFile(
        location=parse_location(server.url(archive)), expected=pinned(server.files[archive])
    )
    return Catalog(entries=entries, archives={archive: origin})


def assert_whole(folder: Path) -> None:
    found = {path.name: path.read_bytes() for path in (folder / "train").iterdir()}
    assert found == IMAGES


@pytest.mark.parametrize("catalog", [singles, packed])
def test_images_arrive_byte_for_byte_and_are_fetched_once(
    server: Server, tmp_path: Path, catalog: object
) -> None:
    made = catalog(server)  # type: ignore[operator]  # one of the two above
    assert fetch_all(made, tmp_path / "one", HASTE) == {}
    assert_whole(tmp_path / "one")
    asked = len(server.requests)
    assert fetch_all(made, tmp_path / "two", HASTE) == {}
    assert_whole(tmp_path / "two")
    assert len(server.requests) == asked


def test_a_damaged_file_in_the_cache_is_fetched_again(
    server: Server, tmp_path: Path, state: Path
) -> None:
    fetch_all(singles(server), tmp_path / "one", HASTE)
    path = next(iter(sorted((state / "sources" / "sha256").glob("*/*"))))
    path.chmod(0o644)
    path.write_bytes(b"spoiled")
    assert fetch_all(singles(server), tmp_path / "two", HASTE) == {}
    assert_whole(tmp_path / "two")


def test_members_of_a_tar_file_arrive(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, content in IMAGES.items():
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    server.files["all.tar"] = buffer.getvalue()
    fetch_all(packed(server, "all.tar"), tmp_path, HASTE)
    assert_whole(tmp_path)


def test_a_bad_image_does_not_affect_the_others(server: Server, tmp_path: Path) -> None:
    entries = [
        *singles(server).entries,
        entry("gone", server.url("gone.png")),
        entry("wrong", server.url("1.png"), ExpectedFile(sha256="0" * 64)),
        entry("local", str(tmp_path / "none.png")),
        entry("wheel", "wheel://skimage/data/none.png"),
        entry("package", "wheel://no_such_package/none.png"),
    ]
    problems = fetch_all(Catalog(entries=entries, archives={}), tmp_path / "images", HASTE)
    assert_whole(tmp_path / "images")
    messages = {path.removeprefix("train/"): str(problem) for path, problem in problems.items()}
    assert messages.keys() == {"gone.png", "wrong.png", "local.png", "wheel.png", "package.png"}
    assert "404" in messages["gone.png"]
    assert f"the catalog says {'0' * 64}" in messages["wrong.png"]
    assert "put it at" in messages["wrong.png"]
    assert "no file" in messages["local.png"]
    assert "not installed; run `make install`" in messages["wheel.png"]
    assert "not installed" in messages["package.png"]


def test_a_file_put_into_the_cache_by_hand_is_used(
    server: Server, tmp_path: Path, state: Path
) -> None:
    content = IMAGES["3.png"]
    lost = entry("3", server.url("moved/3.png"), pinned(content))
    catalog = Catalog(entries=[lost], archives={})
    (problem,) = fetch_all(catalog, tmp_path / "images", HASTE).values()
    place = Path(str(problem).rpartition("put it at ")[2])
    assert place.is_relative_to(state)
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert fetch_all(catalog, tmp_path / "images", HASTE) == {}


def test_no_image_of_a_hostile_archive_is_used(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in IMAGES.items():
            file.writestr(f"set/{name}", content)
        file.writestr("../../evil.png", b"evil")
    server.files["all.zip"] = buffer.getvalue()
    good = entry("good", server.url("0.png"))
    catalog = packed(server)
    both = Catalog(entries=[*catalog.entries, good], archives=catalog.archives)
    problems = fetch_all(both, tmp_path / "images", HASTE)
    assert len(problems) == len(IMAGES)
    for problem in problems.values():
        assert "all.zip from http" in str(problem)
        assert "leads out of the archive" in str(problem)
    assert [path.name for path in (tmp_path / "images/train").iterdir()] == ["good.png"]


def test_an_unpinned_file_that_is_not_an_archive_is_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    right = server.files["all.zip"]
    server.files["all.zip"] = b"<html>busy</html>"
    catalog = packed(server)
    open_ = {
        "all.zip": RemoteFile(
            location=parse_location(server.url("all.zip")), expected=ExpectedFile()
        )
    }
    catalog = Catalog(entries=catalog.entries, archives=open_)
    assert "neither zip nor tar" in str(fetch_all(catalog, tmp_path, HASTE)["train/0.png"])
    server.files["all.zip"] = right
    assert fetch_all(catalog, tmp_path, HASTE) == {}


def test_images_that_do_not_fit_on_the_disk_are_not_requested(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = sum(map(len, IMAGES.values()))
    assert report_estimate(singles(server), tmp_path) == size
    printed = capsys.readouterr().err
    assert printed.startswith("download: 12 images; ")
    assert "unknown size" not in printed
    fetch_all(singles(server), tmp_path / "images", HASTE)
    assert report_estimate(singles(server), tmp_path) == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    asked = len(server.requests)
    with pytest.raises(UserError, match=r"are needed on the disk of .* 1\.0 kB are free"):
        fetch_all(singles(server), tmp_path / "more", HASTE)
    assert len(server.requests) == asked


def test_a_file_without_checksum_is_fetched_with_a_warning(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_ = Catalog(entries=[entry("0", server.url("0.png"))], archives={})
    assert fetch_all(open_, tmp_path, HASTE) == {}
    assert f"no checksum for {server.url('0.png')}" in capsys.readouterr().err


def test_cut_connections_do_not_damage_small_files(tmp_path: Path) -> None:
    with serving(dict(IMAGES), Misbehavior(cuts=9)) as server:
        assert fetch_all(singles(server), tmp_path, HASTE) == {}
    assert_whole(tmp_path)


FETCH = """
import sys
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import HttpFile, RemoteFile
from pipelines.sources.resolve import resolve
from pipelines.sources.transfer import TransferOptions
path = resolve(RemoteFile(location=HttpFile(url=sys.argv[1])), TransferOptions())
print(path.read_bytes() == bytes(3000000))
"""


def test_several_processes_fetch_a_file_once(server: Server) -> None:
    server.files["big.bin"] = bytes(3_000_000)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, server.url("big.bin")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=300)[0].strip() for process in started] == ["True"] * 3
    assert len(server.requests) == 1
