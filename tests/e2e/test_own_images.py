"""The user's images in place of the catalogs; some of them are bad."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import textured
from tests.e2e.conftest import command_in, project_copy


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose `data.dvc` tracks a folder of six good images."""
    folder = project_copy(tmp_path_factory.mktemp("own") / "project")
    run = command_in(folder)
    run("dvc", "remove", "data.dvc")
    (folder / "data").mkdir()
    for number in range(6):
        Image.fromarray(textured(210, 224, seed=number)).save(folder / f"data/good{number}.png")
    run("dvc", "add", "data")
    assert "6 images meet every expectation" in run("dvc", "repro", "validate")
    return folder


def damage(data: Path) -> None:
    whole = (data / "good0.png").read_bytes()
    (data / "bad.png").write_bytes(whole[: len(whole) // 2])


def duplicate(data: Path) -> None:
    shutil.copy(data / "good0.png", data / "duplicate.png")


def shrink(data: Path) -> None:
    Image.fromarray(textured(96, 224, seed=9)).save(data / "small.png")


def flatten(data: Path) -> None:
    Image.fromarray(textured(210, 224, seed=9)).convert("CMYK").save(data / "flat.tif")


@pytest.mark.parametrize(
    ("changes", "stage", "messages"),
    [
        ([damage], "download", [["data/bad.png", "damaged", "fetch or export it again"]]),
        (
            [duplicate, shrink, flatten],
            "validate",
            [
                ["duplicate.png", "good0.png", "same content", "remove all but one"],
                ["small.png", "height too small", "96", "validate.min_side"],
                ["flat.tif", "wrong mode", "CMYK", "convert it"],
            ],
        ),
    ],
    ids=["damaged", "unusable"],
)
def test_bad_images_stop_the_pipeline_and_are_named(
    own: Path, changes: list[Callable[[Path], None]], stage: str, messages: list[list[str]]
) -> None:
    before = set((own / "data").iterdir())
    for change in changes:
        change(own / "data")
    run = command_in(own)
    try:
        run("dvc", "add", "data")
        printed = run("dvc", "repro", fails=True)
    finally:
        for path in set((own / "data").iterdir()) - before:
            path.unlink()
    assert f"failed to run: python -m pipelines.stages.{stage}" in printed
    assert "Traceback" not in printed
    for text in (text for message in messages for text in message):
        assert text in printed
