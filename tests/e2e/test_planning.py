"""`esrgan plan` estimates disk usage correctly; times are compared by hand."""

import re
from pathlib import Path

import pytest

from esrgan_core.io.rgb import write_png
from pipelines.runtime.disk import folder_bytes
from tests.conftest import textured
from tests.e2e.conftest import Run

UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
TOLERANCE = 0.1


def estimate(printed: str, what: str) -> float:
    found = re.search(rf"{what}\s+([\d.]+) (\w+)", printed)
    assert found, printed
    return float(found[1]) * UNITS[found[2]]


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_disk_of_a_training(esrgan: Run, project: Path, stage: str) -> None:
    printed = esrgan("plan", "train", stage)
    assert re.search(r"time    \d+:\d\d:\d\d", printed)
    assert estimate(printed, "memory") > 1e8
    checkpoints = project / ".esrgan" / "checkpoints" / stage
    there = max(folder_bytes(one) for one in checkpoints.iterdir())
    there += folder_bytes(project / "artifacts" / stage)
    assert estimate(printed, "disk") == pytest.approx(there, rel=TOLERANCE)
    assert not list((project / ".esrgan").glob("plan-*"))


def test_disk_of_a_batch(esrgan: Run, project: Path, tmp_path: Path) -> None:
    for number in range(20):
        image = textured(40 + 5 * number, 60 + 3 * number, seed=number)
        write_png(tmp_path / "in" / f"{number}.png", image)
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    model = str(project / "artifacts/finetune/generator.safetensors")
    args = [str(tmp_path / "in"), "--model", model, "--precision", "fp32"]
    printed = esrgan("plan", "upscale", *args)
    assert "20 to upscale x4" in printed
    assert "1 cannot be read" in printed
    assert not (project / "nowhere").exists()
    esrgan("upscale", *args, "-o", str(tmp_path / "out"), fails=True)
    there = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.png"))
    assert estimate(printed, "disk") == pytest.approx(there, rel=TOLERANCE)
