import hashlib
import random
import socket
import threading
from pathlib import Path

import pytest
from urllib3.util.retry import Retry

from pipelines.config.errors import UserError
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import HostError, StoppedError
from pipelines.sources.http import download
from pipelines.sources.transfer import TransferOptions
from tests.support.http_server import FAST_RETRY, Misbehavior, Server, serving

MIB = 1024 * 1024
CONTENT = random.Random(1).randbytes(20 * MIB)
EXPECTED = ExpectedFile(bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
HASTE = TransferOptions(retry=FAST_RETRY)


def fetch(server: Server, part: Path, expected: ExpectedFile = EXPECTED) -> bool:
    download([server.url("a.zip")], part, expected, HASTE)
    return part.read_bytes() == server.files["a.zip"]


def begin(server: Server, part: Path, expected: ExpectedFile) -> None:
    """Fetch one piece and be stopped."""
    stop = threading.Event()
    options = TransferOptions(stop=stop, on_bytes=lambda count: stop.set())
    with pytest.raises(StoppedError):
        download([server.url("a.zip")], part, expected, options)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_cut_costs_at_most_one_megabyte(tmp_path: Path) -> None:
    right = 0
    for seed in range(50):
        with serving({"a.zip": CONTENT}, Misbehavior(cuts=1, seed=seed)) as server:
            right += fetch(server, tmp_path / f"{seed}.part")
            assert len(server.requests) == 2
            assert server.sent - len(CONTENT) <= MIB
        (tmp_path / f"{seed}.part").unlink()
    assert right == 50


def test_fifty_cuts_of_one_file_do_not_exhaust_the_retries(tmp_path: Path) -> None:
    wrong = Misbehavior(cuts=50, cut_within=len(CONTENT) // 30)
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetch(server, tmp_path / "part")
        assert len(server.requests) == 51
        assert server.sent - len(CONTENT) <= 50 * MIB


def test_a_stopped_download_is_resumed(tmp_path: Path) -> None:
    with serving({"a.zip": CONTENT}) as server:
        begin(server, tmp_path / "part", EXPECTED)
        before = (tmp_path / "part").stat().st_size
        assert before > 0
        assert fetch(server, tmp_path / "part")
        assert server.requests[-1][1] == f"bytes={before}-"


@pytest.mark.parametrize("ranges", ["ignored", "shifted", "headless", "refused"])
@pytest.mark.parametrize("expected", [EXPECTED, ExpectedFile()], ids=["pinned", "unpinned"])
def test_wrong_responses_to_a_range_request_do_not_damage_the_file(
    tmp_path: Path, ranges: str, expected: ExpectedFile
) -> None:
    with serving({"a.zip": CONTENT}, Misbehavior(cuts=2, ranges=ranges)) as server:
        assert fetch(server, tmp_path / "part", expected)


@pytest.mark.parametrize("honors", [True, False])
@pytest.mark.parametrize("expected", [EXPECTED, ExpectedFile()], ids=["pinned", "unpinned"])
def test_a_changed_file_is_fetched_from_the_beginning(
    tmp_path: Path, expected: ExpectedFile, *, honors: bool
) -> None:
    wrong = Misbehavior(cuts=2, etag=lambda number: f'"{min(number, 3)}"', honors_if_range=honors)
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetch(server, tmp_path / "part", expected)


def test_a_partial_file_of_another_host_is_continued_only_with_a_checksum(tmp_path: Path) -> None:
    for expected, first_content in ((EXPECTED, CONTENT), (ExpectedFile(), CONTENT[::-1])):
        part = tmp_path / "part"
        with serving({"a.zip": first_content}) as first:
            begin(first, part, expected)
        with serving({"a.zip": CONTENT}) as second:
            assert fetch(second, part, expected)
            assert bool(second.requests[0][1]) == expected.is_pinned
        part.unlink()


def test_a_damaged_partial_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" * MIB)
    with serving({"a.zip": CONTENT}) as server:
        assert fetch(server, tmp_path / "part")


@pytest.mark.parametrize(
    "wrong",
    [
        Misbehavior(failures=[503, 500]),
        Misbehavior(failures=[429], headers={"Retry-After": "0"}),
        Misbehavior(failures=[503], headers={"Retry-After": "soon"}),
        Misbehavior(silent_length=True),
        Misbehavior(silent_length=True, cuts=1),
    ],
    ids=["5xx", "429", "malformed Retry-After", "no length", "no length, cut"],
)
def test_transient_errors_are_retried(tmp_path: Path, wrong: Misbehavior) -> None:
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetch(server, tmp_path / "part")


def test_a_dead_first_mirror_is_skipped(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    with serving({"a.zip": CONTENT}) as server:
        urls = [dead, server.url("none.zip"), server.url("a.zip")]
        download(urls, tmp_path / "part", EXPECTED, HASTE)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_an_unreachable_host_gets_one_attempt_for_the_next_file(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    options = TransferOptions(retry=FAST_RETRY)
    for tries in (3, 1):
        with pytest.raises(HostError, match=rf", {tries} times"):
            download([dead], tmp_path / "part", EXPECTED, options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Misbehavior(extra=b"more"), "its file has 20971524 bytes, the catalog says 20971520"),
        (Misbehavior(extra=b"more", silent_length=True), "more than the 20971520 bytes"),
        (Misbehavior(headers={"Content-Encoding": "gzip"}), "compressed"),
        (Misbehavior(failures=[403]), "403"),
        (Misbehavior(failures=[503] * 9), "503 Service Unavailable, 3 times"),
    ],
)
def test_a_permanent_error_names_the_host(tmp_path: Path, wrong: Misbehavior, message: str) -> None:
    with serving({"a.zip": CONTENT}, wrong) as server, pytest.raises(HostError) as caught:
        fetch(server, tmp_path / "part")
    assert message in str(caught.value)
    assert server.address.removeprefix("http://") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sha256", ExpectedFile(sha256="0" * 64)), ("md5", ExpectedFile(md5="0" * 32))],
)
def test_a_wrong_checksum_is_rejected(tmp_path: Path, name: str, expected: ExpectedFile) -> None:
    with serving({"a.zip": CONTENT}) as server, pytest.raises(HostError) as caught:
        fetch(server, tmp_path / "part", expected)
    found = hashlib.new(name, CONTENT).hexdigest()
    assert f"its {name} is {found}, the catalog says 000" in str(caught.value)
    assert not (tmp_path / "part").exists()


def test_a_full_disk_is_an_error_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with (
        serving({"a.zip": CONTENT}) as server,
        pytest.raises(UserError, match=r"21\.0 MB are needed on the disk of .*, 1\.0 kB are free"),
    ):
        fetch(server, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_a_206_response_may_omit_the_validator(tmp_path: Path) -> None:
    wrong = Misbehavior(cuts=3, etag=lambda number: '"1"' if number == 1 else "")
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetch(server, tmp_path / "part", ExpectedFile())
        assert len(server.requests) == 4
        assert server.sent == len(CONTENT)


def test_after_an_invalid_url_the_mirror_is_used(tmp_path: Path) -> None:
    with serving({"a.zip": CONTENT}) as server:
        download(["http:///a.zip", server.url("a.zip")], tmp_path / "part", EXPECTED, HASTE)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_very_slow_host_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.sources.http.TIMEOUT", (1.0, 0.2))
    with serving({"a.zip": CONTENT}, Misbehavior(trickle=0.05)) as server:
        with pytest.raises(HostError, match="less than 1024 bytes per second, 3 times"):
            fetch(server, tmp_path / "part")
        server.wrong.trickle = 0
        assert fetch(server, tmp_path / "part")


def test_a_transfer_stops_between_bytes(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with (
        serving({"a.zip": CONTENT}, Misbehavior(trickle=0.05)) as server,
        pytest.raises(StoppedError),
    ):
        download([server.url("a.zip")], tmp_path / "part", EXPECTED, TransferOptions(stop=stop))


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "50"}])
def test_a_transfer_stops_while_it_waits_for_a_busy_host(
    headers: dict[str, str], tmp_path: Path
) -> None:
    stop = threading.Event()
    busy = Misbehavior(failures=[503] * 9, headers=headers)
    retry = Retry(total=2, backoff_factor=50, status_forcelist={503}, raise_on_status=False)
    with serving({"a.zip": CONTENT}, busy) as server:
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(StoppedError):
            download(
                [server.url("a.zip")],
                tmp_path / "part",
                EXPECTED,
                TransferOptions(stop=stop, retry=retry),
            )
        # urllib3 repeats the first time without backoff
        assert len(server.requests) == (1 if headers else 2)


@pytest.mark.parametrize("fields", [{"sha256": "../../x"}, {"md5": "n/a"}, {"bytes": -5}])
def test_an_invalid_checksum_or_size_is_rejected(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"hex digits|negative, got -5"):
        ExpectedFile(**fields)  # type: ignore[arg-type]  # one of them is wrong
