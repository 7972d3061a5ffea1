import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from esrgan_core.engine.checkpoint import Checkpoints
from tests.support.states import damage


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
    assert checkpoints.restore(parts(0), at_most=9) is None


def test_the_newest_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in range(6):
        checkpoints.save(step, parts(step))
    assert checkpoints.steps() == [3, 4, 5]


def test_a_shorter_run_drops_its_own_old_states_alone(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (6, 7, 1, 2, 3):
        checkpoints.save(step, parts(step))
    assert checkpoints.steps() == [2, 3, 6, 7]
    checkpoints.save(8, parts(8))
    assert checkpoints.steps() == [7, 8]


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, parts(1))
    bad = parts(2)
    next(bad["layer"].parameters()).data[0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        checkpoints.save(2, bad)
    assert checkpoints.steps() == [1]


def test_a_disk_without_room_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, parts(1))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7))
    with pytest.raises(OSError, match=r"has 0 MiB free, a state needs 0"):
        checkpoints.save(2, parts(2))
    assert checkpoints.restore(parts(0), at_most=9) == 1


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from esrgan_core.engine.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save(1, {"layer": torch.nn.Linear(100, 100)})
size = next(Path(sys.argv[1]).glob("*.pt")).stat().st_size
for tenth in range(10):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * tenth // 10, resource.RLIM_INFINITY))
    try:
        checkpoints.save(2, {"layer": torch.nn.Linear(100, 100)})
    except OSError as error:
        print("refused", type(error).__name__)
"""


def test_a_write_that_is_cut_short_costs_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("refused") == 10, done.stderr
    found = {"layer": nn.Linear(100, 100)}
    assert Checkpoints(tmp_path).restore(found, at_most=9) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_00000001.json",
        "step_00000001.pt",
    ]


@pytest.mark.parametrize("suffix", [".pt", ".json"])
@pytest.mark.parametrize("seed", range(20))
def test_every_flip_and_cut_is_noticed(tmp_path: Path, seed: int, suffix: str) -> None:
    checkpoints, random = Checkpoints(tmp_path), Random(seed)
    for step in (1, 2):
        checkpoints.save(step, parts(step))
    newest = tmp_path / f"step_00000002{suffix}"
    damage(newest, random, flip=bool(seed % 2))
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoints.restore(parts(0), at_most=9) == 1


def test_even_a_flip_in_the_name_of_a_manifests_entry_is_noticed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, parts(step))
    manifest = tmp_path / "step_00000002.json"
    manifest.write_text(manifest.read_text().replace("step", "stdp"))
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoints.restore(parts(0), at_most=9) == 1
