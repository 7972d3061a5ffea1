"""Images of runs, compared with those that MLflow logs."""

import re
from pathlib import Path

from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.tracking.client import client, get_or_create_parent_run
from pipelines.tracking.images import log_images
from tests.conftest import textured

OWN = re.compile(r"timestamp\+\d+\+[-0-9a-f]{36}")


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
