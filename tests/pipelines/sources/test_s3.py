"""Images on S3, with a real server on this machine that asks for credentials."""

import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from esrgan_core.files import file_sha256
from pipelines.config.errors import is_transient
from pipelines.data.catalog import read_catalog
from pipelines.data.catalog_builder import write_s3_catalog
from pipelines.data.download import fetch_all
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import BusyHostError, HostError, StoppedError
from pipelines.sources.locations import RemoteFile, S3Object, parse_location, parse_s3
from pipelines.sources.resolve import resolve
from pipelines.sources.s3 import check_key, download_object, s3_client
from pipelines.sources.s3_selftest import probe
from pipelines.sources.transfer import TransferOptions
from tests.conftest import textured
from tests.support.http_server import FAST_RETRY
from tests.support.images import encode_png
from tests.support.proxy import CuttingProxy
from tests.support.s3 import S3, serving_s3

HASTE = TransferOptions(retry=FAST_RETRY)
IMAGES = {f"{number}.png": encode_png(textured(60, 70, number)) for number in range(5)}


def fresh_client() -> None:
    """Let the next request look at the environment again."""
    if s3_client.cache_info().currsize:
        s3_client().close()
    s3_client.cache_clear()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving_s3(tmp_path_factory.mktemp("s3")) as serves:
        serves.client.create_bucket(Bucket="images")
        yield serves


@pytest.fixture(autouse=True)
def surroundings(server: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The right credentials, an empty state root, and only this test's images."""
    for name, text in server.env.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    fresh_client()
    client = server.client
    for key in server.keys("images"):
        client.delete_object(Bucket="images", Key=key)
    for name, content in IMAGES.items():
        client.put_object(Bucket="images", Key=f"a set/{name}", Body=content)
    yield
    fresh_client()


@pytest.mark.parametrize("inside", ["../a.png", "b/../a.png", "b//a.png", "./a.png"])
def test_a_key_that_is_not_a_plain_path_is_rejected(inside: str) -> None:
    place = S3Object(bucket="b", key=f"prefix/{inside}")
    with pytest.raises(ValueError, match="the key is not a plain path"):
        check_key(place, inside)
    check_key(place, "b/a..b.png")


def test_the_images_of_a_prefix_are_fetched_once(
    server: S3, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.client.put_object(Bucket="images", Key="a set/broken.png", Body=b"no image")
    server.client.put_object(Bucket="images", Key="a set/notes.txt", Body=b"no image")
    output = tmp_path / "mine.csv"
    server.client.put_object(Bucket="images", Key="a setting/other.png", Body=b"no image")
    prefix = parse_s3("s3://images/a set")
    written, bad = write_s3_catalog(prefix, output, {"license": "CC0"}, scale=4, skip_bad=False)
    assert written == 0
    assert len(bad) == 1
    assert bad[0].startswith("s3://images/a set/broken.png: ")
    written, _ = write_s3_catalog(prefix, output, {"license": "CC0"}, scale=4, skip_bad=True)
    assert written == len(IMAGES)
    catalog = read_catalog(output)
    assert {str(entry.source.location) for entry in catalog.entries} == {
        f"s3://images/a set/{name}" for name in IMAGES
    }
    capfd.readouterr()
    assert fetch_all(catalog, tmp_path / "images", HASTE) == {}
    assert "0 bytes to fetch" in capfd.readouterr().err
    for entry in catalog.entries:
        content = IMAGES[str(entry.source.location).rpartition("/")[2]]
        assert (tmp_path / "images" / entry.path).read_bytes() == content
    for text in (output, *tmp_path.rglob("*.json")):
        assert server.secret not in text.read_text()


def test_an_image_that_was_replaced_by_one_of_its_size_is_fetched_again(
    server: S3, tmp_path: Path
) -> None:
    found = set()
    for seed in (1, 2):
        buffer = BytesIO()
        Image.fromarray(textured(60, 70, seed)).save(buffer, format="BMP")
        server.client.put_object(Bucket="images", Key="b set/a.bmp", Body=buffer.getvalue())
        output = tmp_path / "mine.csv"
        write_s3_catalog(
            parse_s3("s3://images/b set"), output, {"split": "val"}, scale=1, skip_bad=False
        )
        (entry,) = read_catalog(output).entries
        assert entry.source.expected.sha256 == sha256(buffer.getvalue()).hexdigest()
        found.add(entry.source.expected.bytes)
    assert len(found) == 1


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_object_is_rejected(server: S3, tmp_path: Path, damage: str) -> None:
    content = IMAGES["0.png"]
    expected = ExpectedFile(bytes=len(content), sha256=file_sha256(_file(tmp_path / "x", content)))
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    body = bytes(changed) if damage == "flipped" else content[: len(content) // 2]
    server.client.put_object(Bucket="images", Key="a set/0.png", Body=body)
    origin = RemoteFile(location=parse_location("s3://images/a set/0.png"), expected=expected)
    message = "its sha256 is" if damage == "flipped" else f"the catalog says {len(content)}"
    with pytest.raises(HostError, match=message):
        resolve(origin, HASTE)


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", r"refuses the credentials \(SignatureDoesNotMatch\)"),
        ("AWS_ACCESS_KEY_ID", "wrong", r"refuses the credentials \(InvalidAccessKeyId\)"),
        ("AWS_PROFILE", "nobody", "S3 cannot be used: The config profile"),
    ],
)
def test_wrong_credentials_are_an_error_that_does_not_show_them(
    server: S3, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    fresh_client()
    with pytest.raises(HostError, match=message) as caught:
        list(probe(parse_s3("s3://images/x")))
    assert not is_transient(caught.value)
    assert server.secret not in str(caught.value)


def test_missing_credentials_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fresh_client()
    with pytest.raises(HostError, match="no complete credentials for http"):
        list(probe(parse_s3("s3://images/x")))


def test_a_server_that_is_down_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fresh_client()
    origin = RemoteFile(location=parse_location("s3://images/a set/0.png"), expected=ExpectedFile())
    once = TransferOptions(retry=FAST_RETRY.new(total=0))
    with pytest.raises(BusyHostError, match="Could not connect") as caught:
        resolve(origin, once)
    assert is_transient(caught.value)


def test_a_missing_object_is_an_error(tmp_path: Path) -> None:
    for uri in ("s3://images/none.png", "s3://no-bucket/none.png"):
        with pytest.raises(HostError, match="has no such object or bucket"):
            download_object(parse_s3(uri), tmp_path / "part", ExpectedFile(), HASTE)


def test_a_probe_leaves_no_object(server: S3) -> None:
    before = server.keys("images")
    lines = list(probe(parse_s3("s3://images/some/where")))
    assert lines[1:] == [
        "reads back an object of 64 KiB",
        "reads back a range",
        "reads back an object of two parts",
        "accepts checksum headers",
    ]
    assert server.keys("images") == before


def test_no_byte_is_fetched_twice_after_a_cut(
    server: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = Random(1).randbytes(5_000_000)
    server.client.put_object(Bucket="images", Key="large.bin", Body=content)
    with CuttingProxy(server.endpoint, cuts=15) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.uri)
        fresh_client()
        got: list[int] = []
        options = TransferOptions(retry=FAST_RETRY.new(total=19), on_bytes=got.append)
        part = tmp_path / "part"
        download_object(parse_s3("s3://images/large.bin"), part, ExpectedFile(), options)
    assert part.read_bytes() == content
    assert proxy.cuts == 0
    assert sum(got) == len(content)
    assert min(got) > 0


def test_a_changed_object_is_fetched_from_the_beginning(server: S3, tmp_path: Path) -> None:
    place, part = parse_s3("s3://images/large.bin"), tmp_path / "part"
    server.client.put_object(Bucket="images", Key="large.bin", Body=bytes(1_000_000))
    options = TransferOptions(retry=HASTE.retry)

    def stop(_: int) -> None:
        options.stop.set()

    stopping = TransferOptions(retry=HASTE.retry, stop=options.stop, on_bytes=stop)
    with pytest.raises(StoppedError):
        download_object(place, part, ExpectedFile(), stopping)
    assert 0 < part.stat().st_size < 1_000_000
    later = b"x" * 1_000_000
    server.client.put_object(Bucket="images", Key="large.bin", Body=later)
    download_object(place, part, ExpectedFile(), HASTE)
    assert part.read_bytes() == later


def test_a_large_object_needs_little_memory(server: S3, tmp_path: Path) -> None:
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(400_000_000)
    server.client.upload_file(str(tmp_path / "huge.bin"), "images", "huge.bin")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipelines.sources.checksums import ExpectedFile\n"
        "from pipelines.sources.transfer import TransferOptions\n"
        "from pipelines.sources.locations import parse_s3\n"
        "from pipelines.sources.s3 import download_object, s3_client\n"
        "from tests.support.memory import peak_kib\n"
        "s3_client()\n"
        "before = peak_kib()\n"
        "place = parse_s3('s3://images/huge.bin')\n"
        "download_object(place, Path(sys.argv[1]), ExpectedFile(), TransferOptions())\n"
        "print(peak_kib() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "part")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "part").stat().st_size == 400_000_000
    assert int(done.stdout) < 50_000, "KiB"
