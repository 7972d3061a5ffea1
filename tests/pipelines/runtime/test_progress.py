import sys
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.runtime.progress import (
    STATUS,
    Status,
    byte_progress,
    format_terms,
    progress,
    read_status,
    write_status,
)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_the_first_step_does_not_count_for_the_eta(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("work", 100) as advance:
        clock.now += 60  # the first unit waits for something
        advance(1, "")
        for unit in range(2, 10):
            clock.now += 2
            advance(unit, "")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["work 1/100, ? left", "work 9/100, 0:03:02 left"]


def test_units_that_were_completed_before_do_not_count_for_the_eta(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("work", 1000, 980) as advance:
        for unit in (985, 990):
            clock.now += 20
            advance(unit, "")
    assert capsys.readouterr().err.splitlines()[-1] == "work 990/1000, 0:00:40 left"


def test_without_a_terminal_lines_are_printed_at_intervals_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("work", 40) as advance:
        for unit in range(1, 41):
            clock.now += 1
            advance(unit, format_terms({"loss": 0.5}))
    assert capsys.readouterr().err.splitlines() == [
        "work 15/40, 0:00:25 left  loss 0.5",
        "work 30/40, 0:00:10 left  loss 0.5",
        "work 40/40, 0:00:00 left  loss 0.5",
    ]


def test_an_unknown_total_does_not_print_a_line_per_chunk(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with byte_progress("fetch", 0) as on_bytes:
        for _ in range(30):
            clock.now += 1
            on_bytes(1000)
    assert capsys.readouterr().err.splitlines() == [
        "fetch 15.0 kB/?, ? left",
        "fetch 30.0 kB/?, ? left",
    ]


@pytest.mark.parametrize(("total", "counts"), [(2000, "1.0/2.0 kB"), (0, "1.0/? kB")])
def test_a_terminal_shows_a_bar(
    total: int, counts: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    with byte_progress("fetch", total) as on_bytes:
        on_bytes(1000)
    shown = capsys.readouterr().err
    assert "fetch" in shown
    assert counts in shown


def test_nothing_is_shown_if_another_process_shows_the_progress(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("work", 1, shown=False) as advance:
        advance(1, "")
    assert capsys.readouterr().err == ""


def test_progress_is_written_with_the_seconds_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    monkeypatch.setenv(STATUS, str(path))
    assert read_status(path) is None
    with progress("train", 10, 4) as advance:
        first = read_status(path)
        assert first
        assert (first.what, first.completed, first.total) == ("train", 4, 10)
        advance(10, "g/pixel 0.1")
    last = read_status(path)
    assert last
    assert (last.completed, last.note, last.problem) == (10, "g/pixel 0.1", "")
    assert timedelta(seconds=last.seconds_left) == timedelta()


def test_nothing_is_written_without_the_environment_variable(tmp_path: Path) -> None:
    write_status(Status(what="train"))
    assert list(tmp_path.iterdir()) == []


def test_a_status_of_another_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text('{"what": "train", "completed": 4, "passing": true, "left": 1.5}')
    status = read_status(path)
    assert status
    assert (status.what, status.completed, status.total, status.transient) == ("train", 4, 0, False)
