import time
from pathlib import Path

from esrgan_core.engine.journal import MetricsJournal


def left(journal: MetricsJournal) -> list[tuple[float, float]]:
    return [(row["step"], row["g/pixel"]) for row in journal.rows()]


def rewind(journal: MetricsJournal, done: int, *, known: int, over: bool = False) -> None:
    """Every second step reports in turn."""
    journal.rewind(done, known=known, in_turn=lambda row: row["step"] % 2 == 0, over=over)


def test_reports_after_the_restored_step_are_forgotten(tmp_path: Path) -> None:
    journal = MetricsJournal(tmp_path / "run" / "metrics.jsonl")
    for step in (2, 4, 6):
        journal.append(step, {"g/pixel": step / 10})
    rewind(journal, 4, known=4)
    rewind(journal, 9, known=9)
    assert left(journal) == [(2, 0.2), (4, 0.4)]


def test_reports_that_a_later_state_vouches_for_come_back(tmp_path: Path) -> None:
    journal = MetricsJournal(tmp_path / "metrics.jsonl")
    for step in (2, 4, 6, 7):
        journal.append(step, {"g/pixel": step / 10})
    # a run of 3 steps from the first on, which is cut once
    rewind(journal, 0, known=7)
    journal.append(2, {"g/pixel": 0.0})
    rewind(journal, 2, known=7)
    journal.append(3, {"g/pixel": 0.3})
    assert left(journal) == [(2, 0.0), (3, 0.3)]
    # the longer one again, for which 3 is out of turn
    rewind(journal, 7, known=7, over=True)
    assert left(journal) == [(2, 0.0), (4, 0.4), (6, 0.6), (7, 0.7)]
    # and the shorter one, whose state is still there
    rewind(journal, 3, known=7, over=True)
    assert left(journal) == [(2, 0.0), (3, 0.3)]


def test_a_report_knows_when_it_was_made(tmp_path: Path) -> None:
    journal = MetricsJournal(tmp_path / "metrics.jsonl")
    before = time.time_ns() // 10**6
    journal.append(1, {})
    assert before <= journal.rows()[0]["time"] <= time.time_ns() // 10**6


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    journal = MetricsJournal(tmp_path / "metrics.jsonl")
    journal.append(1, {"g/pixel": 0.5})
    with journal.path.open("a") as file:
        file.write('{"step": 2, "g/pi')
    assert [row["step"] for row in journal.rows()] == [1]
