from datetime import timedelta

import pytest

from pipelines.runtime.progress import Eta, format_terms, progress


class Clock:
    """Time that goes on only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def test_time_left_follows_the_median_pace_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    eta = Eta(total=100, done=0)
    clock.now += 60  # the first unit waits for something
    eta.after(1)
    for unit in range(2, 6):
        clock.now += 2
        left = eta.after(unit)
    assert left == timedelta(seconds=2 * 95)


def test_what_was_done_before_does_not_count_as_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    eta = Eta(total=1000, done=990)
    clock.now += 10
    assert eta.after(995) == timedelta(seconds=10)


def test_without_a_terminal_there_are_lines_now_and_then_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    with progress("work", 40) as advance:
        for unit in range(1, 41):
            clock.now += 1
            advance(unit, format_terms({"loss": 0.5}))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "work 15/40, 0:00:25 left  loss 0.5",
        "work 30/40, 0:00:10 left  loss 0.5",
        "work 40/40, 0:00:00 left  loss 0.5",
    ]


def test_nothing_is_shown_where_another_process_shows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("work", 1, shown=False) as advance:
        advance(1, "")
    assert capsys.readouterr().err == ""
