import hashlib
import random
import socket
import threading
from pathlib import Path

import pytest

from pipelines.config.errors import UserError
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import HostError, StoppedError
from pipelines.sources.http import download
from pipelines.sources.transfer import RetryPolicy, TransferOptions
from tests.support.http_server import Misbehavior, Server, serving

MIB = 1024 * 1024
CONTENT = random.Random(1).randbytes(20 * MIB)
EXPECTED = ExpectedFile(bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
HASTE = TransferOptions(retry=RetryPolicy(tries=3, first_wait=0.01))


def fetched(server: Server, part: Path, expected: ExpectedFile = EXPECTED) -> bool:
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


def test_fifty_cuts_at_random_bytes_cost_little_and_spoil_nothing(tmp_path: Path) -> None:
    right = 0
    for seed in range(50):
        with serving({"a.zip": CONTENT}, Misbehavior(cuts=1, seed=seed)) as server:
            right += fetched(server, tmp_path / f"{seed}.part")
            assert len(server.requests) == 2
            assert server.sent - len(CONTENT) <= MIB
        (tmp_path / f"{seed}.part").unlink()
    assert right == 50


def test_fifty_cuts_of_one_file_do_not_exhaust_the_patience(tmp_path: Path) -> None:
    wrong = Misbehavior(cuts=50, cut_within=len(CONTENT) // 30)
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetched(server, tmp_path / "part")
        assert len(server.requests) == 51
        assert server.sent - len(CONTENT) <= 50 * MIB


def test_a_killed_fetch_goes_on_where_it_was(tmp_path: Path) -> None:
    with serving({"a.zip": CONTENT}) as server:
        begin(server, tmp_path / "part", EXPECTED)
        before = (tmp_path / "part").stat().st_size
        assert before > 0
        assert fetched(server, tmp_path / "part")
        assert server.requests[-1][1] == f"bytes={before}-"


@pytest.mark.parametrize("ranges", ["ignored", "shifted", "headless", "refused"])
@pytest.mark.parametrize("expected", [EXPECTED, ExpectedFile()], ids=["pinned", "unpinned"])
def test_wrong_answers_to_a_range_do_no_harm(
    tmp_path: Path, ranges: str, expected: ExpectedFile
) -> None:
    with serving({"a.zip": CONTENT}, Misbehavior(cuts=2, ranges=ranges)) as server:
        assert fetched(server, tmp_path / "part", expected)


@pytest.mark.parametrize("honors", [True, False])
@pytest.mark.parametrize("expected", [EXPECTED, ExpectedFile()], ids=["pinned", "unpinned"])
def test_a_file_that_changes_meanwhile_is_begun_anew(
    tmp_path: Path, expected: ExpectedFile, *, honors: bool
) -> None:
    wrong = Misbehavior(cuts=2, etag=lambda number: f'"{min(number, 3)}"', honors_if_range=honors)
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetched(server, tmp_path / "part", expected)


def test_what_another_host_began_is_continued_only_with_a_checksum(tmp_path: Path) -> None:
    for expected, first_content in ((EXPECTED, CONTENT), (ExpectedFile(), CONTENT[::-1])):
        part = tmp_path / "part"
        with serving({"a.zip": first_content}) as first:
            begin(first, part, expected)
        with serving({"a.zip": CONTENT}) as second:
            assert fetched(second, part, expected)
            assert bool(second.requests[0][1]) == expected.pinned
        part.unlink()


def test_a_spoiled_beginning_is_noticed_and_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" * MIB)
    with serving({"a.zip": CONTENT}) as server:
        assert fetched(server, tmp_path / "part")


@pytest.mark.parametrize(
    "wrong",
    [
        Misbehavior(failures=[503, 500]),
        Misbehavior(failures=[429], headers={"Retry-After": "0"}),
        Misbehavior(silent_length=True),
        Misbehavior(silent_length=True, cuts=1),
    ],
    ids=["5xx", "429", "no length", "no length, cut"],
)
def test_passing_troubles_pass(tmp_path: Path, wrong: Misbehavior) -> None:
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetched(server, tmp_path / "part")


def test_a_dead_first_mirror_is_passed_over(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    with serving({"a.zip": CONTENT}) as server:
        urls = [dead, server.url("none.zip"), server.url("a.zip")]
        download(urls, tmp_path / "part", EXPECTED, HASTE)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_host_that_never_answers_is_not_asked_for_every_file_at_length(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    options = TransferOptions(retry=RetryPolicy(tries=3, first_wait=0.01))
    for tries in (3, 1):
        with pytest.raises(HostError, match=rf", {tries} times"):
            download([dead], tmp_path / "part", EXPECTED, options)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Misbehavior(extra=b"more"), "a file of 20971524 bytes, not the 20971520"),
        (Misbehavior(extra=b"more", silent_length=True), "more than the 20971520 bytes"),
        (Misbehavior(headers={"Content-Encoding": "gzip"}), "compressed"),
        (Misbehavior(failures=[403]), "403"),
        (Misbehavior(failures=[503] * 9), "503 Service Unavailable, 3 times"),
    ],
)
def test_what_stays_wrong_is_said_of_each_host(
    tmp_path: Path, wrong: Misbehavior, says: str
) -> None:
    with serving({"a.zip": CONTENT}, wrong) as server, pytest.raises(HostError) as caught:
        fetched(server, tmp_path / "part")
    assert says in str(caught.value)
    assert server.address.removeprefix("http://") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sha256", ExpectedFile(sha256="0" * 64)), ("md5", ExpectedFile(md5="0" * 32))],
)
def test_a_wrong_checksum_is_refused(tmp_path: Path, name: str, expected: ExpectedFile) -> None:
    with serving({"a.zip": CONTENT}) as server, pytest.raises(HostError) as caught:
        fetched(server, tmp_path / "part", expected)
    found = hashlib.new(name, CONTENT).hexdigest()
    assert f"its {name} is {found}, the catalog says 000" in str(caught.value)
    assert not (tmp_path / "part").exists()


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with (
        serving({"a.zip": CONTENT}) as server,
        pytest.raises(UserError, match=r"21\.0 MB are needed on the disk of .*, 1\.0 kB are free"),
    ):
        fetched(server, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_a_206_that_leaves_out_the_validator_is_believed(tmp_path: Path) -> None:
    wrong = Misbehavior(cuts=3, etag=lambda number: '"1"' if number == 1 else "")
    with serving({"a.zip": CONTENT}, wrong) as server:
        assert fetched(server, tmp_path / "part", ExpectedFile())
        assert len(server.requests) == 4
        assert server.sent == len(CONTENT)


def test_a_wrong_address_is_not_tried_again_and_mirrors_follow(tmp_path: Path) -> None:
    with serving({"a.zip": CONTENT}) as server:
        download(["http:///a.zip", server.url("a.zip")], tmp_path / "part", EXPECTED, HASTE)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_host_that_sends_next_to_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.sources.http.TIMEOUT", (1.0, 0.2))
    with serving({"a.zip": CONTENT}, Misbehavior(trickle=0.05)) as server:
        with pytest.raises(HostError, match="less than 1024 bytes per second, 3 times"):
            fetched(server, tmp_path / "part")
        server.wrong.trickle = 0
        assert fetched(server, tmp_path / "part")


def test_a_wish_to_stop_is_seen_between_bytes(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with (
        serving({"a.zip": CONTENT}, Misbehavior(trickle=0.05)) as server,
        pytest.raises(StoppedError),
    ):
        download([server.url("a.zip")], tmp_path / "part", EXPECTED, TransferOptions(stop=stop))


@pytest.mark.parametrize("words", [{"sha256": "../../x"}, {"md5": "n/a"}, {"bytes": -5}])
def test_what_is_no_checksum_or_size_is_refused(words: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"hex digits|bytes is -5"):
        ExpectedFile(**words)  # type: ignore[arg-type]  # one of them is wrong
