from pathlib import Path

import pytest
import torch
from torch import nn

from esrgan_core.engine.checkpoint import Checkpoints


def parts(value: float) -> dict[str, nn.Module]:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, value)
    return {"layer": layer}


def test_the_newest_two_states_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        checkpoints.save(step, parts(step))
    assert checkpoints.steps() == [2, 3]
    assert len(list(tmp_path.iterdir())) == 4


def test_the_newest_state_within_the_limit_comes_back(tmp_path: Path) -> None:
    checkpoints, found = Checkpoints(tmp_path), parts(0)
    for step in (1, 2):
        checkpoints.save(step, parts(step))
    assert checkpoints.restore(found, at_most=1) == 1
    assert torch.equal(found["layer"].weight, torch.ones(1, 1))  # type: ignore[arg-type]
    assert checkpoints.restore(found, at_most=9) == 2


def test_a_damaged_state_is_passed_over_and_said(tmp_path: Path) -> None:
    checkpoints, found = Checkpoints(tmp_path), parts(0)
    for step in (1, 2):
        checkpoints.save(step, parts(step))
    newest = tmp_path / "step_00000002.pt"
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match=r"step_00000002\.pt is damaged"):
        assert checkpoints.restore(found, at_most=9) == 1


def test_a_state_without_its_manifest_does_not_count(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, parts(1))
    (tmp_path / "step_00000001.json").unlink()
    assert checkpoints.restore(parts(0), at_most=9) == 0
