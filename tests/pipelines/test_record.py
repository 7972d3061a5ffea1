from pathlib import Path

import pytest

from pipelines.tracking.record import end_run_name, run_name


def test_one_name_lasts_until_the_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("ESRGAN_RUN", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    first = run_name()
    assert run_name() == first
    end_run_name()
    assert not (tmp_path / "current_run").exists()


def test_a_given_name_goes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fox")
    assert run_name() == "lucky-fox"
    monkeypatch.setenv("ESRGAN_RUN", "nightly-seven")
    assert run_name() == "nightly-seven"
