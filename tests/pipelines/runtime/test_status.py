"""The status file of a stage."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.runtime.progress import progress
from pipelines.runtime.status import STATUS, Status, read_status, write_status


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
