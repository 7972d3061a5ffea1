"""The process shell of a stage."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.mark.parametrize("stage", ["stages.pretrain", "baselines.srcnn"])
def test_a_training_refuses_what_a_later_stage_would(stage: str, tmp_path: Path) -> None:
    given = (ROOT / "params.yaml").read_text()
    # as by hand, or by `dvc exp run -S`
    (tmp_path / "params.yaml").write_text(given.replace("seed: 1 #", "seed: -1 #"))
    done = subprocess.run(
        [sys.executable, "-m", f"pipelines.{stage}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    _, _, name = stage.partition(".")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: params.yaml: finetune: seed must be at least 0")
    assert not (tmp_path / "artifacts").exists()
