import time
from pathlib import Path

from esrgan_core.engine.journal import Journal


def test_reports_after_the_restored_step_are_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run" / "metrics.jsonl")
    for step in (1, 2, 3):
        journal.append(step, {"g/pixel": step / 10})
    journal.keep(lambda row: row["step"] <= 2)
    kept = [(row["step"], row["g/pixel"]) for row in journal.rows()]
    assert kept == [(1, 0.1), (2, 0.2)]


def test_a_report_knows_when_it_was_made(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    before = time.time_ns() // 10**6
    journal.append(1, {})
    assert before <= journal.rows()[0]["time"] <= time.time_ns() // 10**6


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append(1, {"g/pixel": 0.5})
    with journal.path.open("a") as file:
        file.write('{"step": 2, "g/pi')
    assert [row["step"] for row in journal.rows()] == [1]
