"""A folder of one's own in the place of the catalogs, with something wrong in it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import textured
from tests.e2e.conftest import command_in, project_copy


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose `data.dvc` stands for six good images in one folder."""
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
    ("spoils", "stage", "says"),
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
    ids=["damaged", "not to be used"],
)
def test_bad_pictures_stop_the_pipeline_and_are_named(
    own: Path, spoils: list[Callable[[Path], None]], stage: str, says: list[list[str]]
) -> None:
    before = set((own / "data").iterdir())
    for spoil in spoils:
        spoil(own / "data")
    run = command_in(own)
    try:
        run("dvc", "add", "data")
        printed = run("dvc", "repro", fails=True)
    finally:
        for path in set((own / "data").iterdir()) - before:
            path.unlink()
    assert f"failed to run: python -m pipelines.stages.{stage}" in printed
    assert "Traceback" not in printed
    for words in (word for one in says for word in one):
        assert words in printed
