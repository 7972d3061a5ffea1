"""A training uploads to MLflow while it runs, and any call may fail."""

from pathlib import Path

import pytest

from esrgan_core.io.rgb import write_png
from pipelines.tracking.client import client, experiment_id, get_or_create_parent_run
from pipelines.tracking.errors import StoreDownError
from pipelines.tracking.uploader import MetricsUploader
from tests.conftest import textured
from tests.support.stores import FailingCall, StoreSnapshot, content

ROWS = [
    {"step": 0, "time": 1e12, "val/psnr_y": 20.0},
    {"step": 5, "time": 2e12, "g/pixel": 0.5, "rate": 1.0},
    {"step": 10, "time": 3e12, "g/pixel": 0.4, "val/psnr_y": 21.0},
]


def test_nothing_is_uploaded_twice_whichever_call_fails(state: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    for step in (0, 10):
        for name in ("tree", "wall"):
            (samples / f"{step:08}").mkdir(parents=True, exist_ok=True)
            write_png(samples / f"{step:08}" / f"{name}.png", textured(20, 30, seed=step))
    client()
    store = StoreSnapshot(state)

    def new_uploader() -> MetricsUploader:
        store.restore()
        experiment_id.cache_clear()
        return MetricsUploader(get_or_create_parent_run("a training"))

    undisturbed, one = FailingCall(), new_uploader()
    with undisturbed():
        one.upload(ROWS, samples)
    expected = content(state)
    assert sum("images/" in line or "+step+" in line for line in expected.elements()) == 8
    for number in range(len(undisturbed.calls)):
        for when in ("before", "after"):
            one = new_uploader()
            with FailingCall(number, when)(), pytest.raises(StoreDownError):
                one.upload(ROWS, samples)
            one.upload(ROWS, samples)
            assert content(state) == expected, (undisturbed.calls[number], when)
            assert MetricsUploader(one.run_id).upload(ROWS, samples) == 0
            assert content(state) == expected
