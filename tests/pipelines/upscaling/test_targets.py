"""Where results are written, and what is not upscaled again."""

import io
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.config.errors import UserError
from pipelines.upscaling.batches import Batch, upscale_batch
from pipelines.upscaling.jobs import Output, find_jobs
from pipelines.upscaling.model import load_model
from tests.pipelines.upscaling.test_many import photo, run


def sources(inputs: list[str], target: Path, report: list[str] | None = None) -> list[str]:
    """Names of the images to upscale."""
    lines = [] if report is None else report
    return [job.source.name for job in find_jobs(inputs, target, Output(), lines.append)]


def test_an_input_inside_the_output_folder_is_upscaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "tree" / "raw" / "a.png")
    monkeypatch.chdir(tmp_path / "tree")
    assert sources(["raw"], Path()) == ["a.png"]
    monkeypatch.chdir(tmp_path)
    (job,) = find_jobs(["tree/raw"], Path("tree"), Output())
    assert job.target == Path("tree/a.png")
    (job,) = find_jobs(["tree/raw"], Path("/"), Output())
    assert job.target == Path("/a.png")


def test_results_in_an_input_are_not_upscaled_again(tmp_path: Path, weights: Path) -> None:
    photos, model = tmp_path / "photos", load_model(str(weights), None)
    for name in ("a.png", "b.png"):
        photo(photos / name)
    old, new = photos / "old", photos / "new"
    run(model, find_jobs([str(photos)], old, Output()), old)
    # an image of the user's in the same folder
    photo(old / "mine.png")
    lines: list[str] = []
    assert sources([str(photos)], new, lines) == ["a.png", "b.png", "mine.png"]
    assert lines == [f"2 left out, each a result of esrgan: {old}/a.png, {old}/b.png"]
    assert sources([f"{photos}/**/*.png"], new) == ["a.png", "b.png", "mine.png"]
    assert sources([str(old)], tmp_path / "larger") == ["a.png", "b.png", "mine.png"]
    (old / "mine.png").unlink()
    # as a shell expands `*` in the second run
    assert sources([str(photos / "a.png"), str(old)], old) == ["a.png"]
    with pytest.raises(UserError, match="no images except results of esrgan"):
        sources([str(old)], old)
    # a result that the user replaced
    photo(old / "a.png", 30, 30)
    assert sources([str(photos)], new) == ["a.png", "b.png", "a.png"]


def test_the_output_folder_is_left_out_of_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a.png", "out/old.png"):
        photo(tmp_path / name)
    for given in (str(tmp_path), f"{tmp_path}/**/*.png"):
        lines: list[str] = []
        assert sources([given], tmp_path / "out", lines) == ["a.png"]
        assert lines == [f"1 left out, in the output folder {tmp_path}/out: {tmp_path}/out/old.png"]


def test_broken_links_that_match_a_pattern_are_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    for name, place in (("b.png", "nowhere"), ("c.png", 300 * "n")):
        (tmp_path / name).symlink_to(place)
    lines: list[str] = []
    assert sources([f"{tmp_path}/*.png"], tmp_path / "out", lines) == ["a.png"]
    assert lines == [f"2 left out, each a broken link: {tmp_path}/b.png, {tmp_path}/c.png"]


@pytest.mark.parametrize("name", ["r.gif", "r.avif", "r.heic", "r.svg"])
def test_a_suffix_that_cannot_be_written_makes_no_folder(name: str, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(UserError, match=f"{name}: unknown format; choose from .png"):
        sources([str(tmp_path / "a.png")], tmp_path / name)


def test_jfif_is_jpeg_and_names_one_image(tmp_path: Path, weights: Path) -> None:
    for name in ("a.png", "b.jfif"):
        photo(tmp_path / name)
    (job,) = find_jobs([str(tmp_path / "a.png")], tmp_path / "r.jfif", Output())
    assert job.target == tmp_path / "r.jfif"
    (job,) = find_jobs([str(tmp_path / "b.jfif")], tmp_path / "out", Output())
    assert job.target == tmp_path / "out" / "b.jfif"
    with pytest.raises(UserError, match=r"r\.jpg names one image, of 2 to write; give a folder"):
        sources([str(tmp_path)], tmp_path / "r.jpg")
    batch = Batch(
        source=str(tmp_path / "a.png"), target=str(tmp_path / "r.png"), model=str(weights)
    )
    with pytest.raises(UserError, match="the target must be a folder"):
        list(upscale_batch(batch, 1))


@pytest.mark.parametrize("from_pipe", [False, True])
def test_an_existing_file_is_not_replaced_without_overwrite(
    from_pipe: bool, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "a.png")
    target = tmp_path / "r.png"
    target.write_bytes(b"mine")
    model = load_model(str(weights), None)

    def give_image() -> None:
        stream = io.TextIOWrapper(io.BytesIO((tmp_path / "a.png").read_bytes()))
        monkeypatch.setattr(sys, "stdin", stream)

    given = "-" if from_pipe else str(tmp_path / "a.png")
    jobs = find_jobs([given], target, Output())
    give_image()
    with pytest.raises(UserError, match=r"r\.png exists; --overwrite replaces it"):
        run(model, jobs, target)
    assert target.read_bytes() == b"mine"
    (outcome,) = run(model, jobs, target, overwrite=True)
    assert outcome.state == "done"
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png is a folder"):
        run(model, find_jobs(["-"], tmp_path / "folder.png", Output()), tmp_path / "folder.png")


@pytest.mark.parametrize("name", ["r.png", "folder"])
def test_a_target_that_cannot_be_written_is_named(name: str, tmp_path: Path, weights: Path) -> None:
    photo(tmp_path / "a.png")
    # no file can be created there, not even by root
    arguments = ["upscale", str(tmp_path / "a.png"), "-o", f"/proc/self/{name}"]
    result = CliRunner().invoke(app, [*arguments, "--model", str(weights)])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("cannot write to /proc/self")
    assert str(result.exception).endswith("; give another -o")
    assert ".tmp" not in str(result.exception)
