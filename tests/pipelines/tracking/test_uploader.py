"""A training uploads to MLflow while it runs, and any call may fail."""

import re
from pathlib import Path

import pytest

from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.tracking.client import client, experiment_id, get_or_create_parent_run
from pipelines.tracking.store_errors import StoreDownError
from pipelines.tracking.uploader import MetricsUploader, log_images
from tests.conftest import textured
from tests.support.stores import FailingCall, StoreSnapshot, content

ROWS = [
    {"step": 0, "time": 1e12, "val/psnr_y": 20.0},
    {"step": 5, "time": 2e12, "g/pixel": 0.5, "rate": 1.0},
    {"step": 10, "time": 3e12, "g/pixel": 0.4, "val/psnr_y": 21.0},
]
OWN = re.compile(r"timestamp\+\d+\+[-0-9a-f]{36}")


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


def test_images_are_logged_once_and_as_by_mlflow(state: Path, tmp_path: Path) -> None:
    ours, theirs = get_or_create_parent_run("ours"), get_or_create_parent_run("theirs")
    path = tmp_path / "a.png"
    write_png(path, textured(300, 200))
    for _ in range(2):
        log_images(ours, {"val/a tree": path}, 5, 10**12)
    client().log_image(theirs, read_rgb(path), key="val/a tree", step=5)

    def files(run: str) -> dict[str, bytes]:
        folder = Path(client().download_artifacts(run, ""))
        found = [each for each in folder.rglob("*") if each.is_file()]
        return {OWN.sub("own", str(each.relative_to(folder))): each.read_bytes() for each in found}

    assert len(client().list_artifacts(ours, "images")) == 2
    assert files(ours) == files(theirs)
    tags = [
        {
            name: text
            for name, text in client().get_run(run).data.tags.items()
            if "mlflow.log" in name
        }
        for run in (ours, theirs)
    ]
    assert tags[0] == tags[1] != {}
