"""Many images: which there are, which are done, and what became of each."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from esrgan_core.inference.upscale import upscale
from esrgan_core.inference.upscaler import UpscaleConfig
from esrgan_core.io.decoded import Format
from esrgan_core.io.reading import read_image
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator, save_weights
from pipelines.cli.app import app
from pipelines.upscaling import one as one_picture
from pipelines.upscaling.jobs import Job, Outcome, Output, find_jobs
from pipelines.upscaling.journal import JOURNAL
from pipelines.upscaling.many import upscale_all, upscale_single
from pipelines.upscaling.model import Model, load_model
from tests.support.networks import SMALL

RANDOM = np.random.default_rng(0)
EXACT = UpscaleConfig(device="cpu", precision="fp32")
SECONDS = 300


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, RRDBNet(SMALL).state_dict(), SMALL, {})
    return path


def photo(path: Path, height: int = 8, width: int = 10) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (height, width, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def done(model: Model, jobs: list[Job], folder: Path, **words: bool) -> list[Outcome]:
    return list(upscale_all(model, EXACT, jobs, folder, Output(), **words))


def test_a_folder_keeps_its_tree_and_its_formats(tmp_path: Path) -> None:
    for name in ("a.png", "in/b.jpg", "in/deep/c.tiff", "d.bmp", ".hidden/e.png"):
        photo(tmp_path / "photos" / name)
    photo(tmp_path / "photos" / "out" / "old.png")
    target = tmp_path / "photos" / "out"
    jobs = find_jobs([str(tmp_path / "photos")], target, Output())
    assert [str(job.target.relative_to(target)) for job in jobs] == [
        "a.png", "d.png", "in/b.jpg", "in/deep/c.tiff",
    ]  # fmt: skip
    jobs = find_jobs([str(tmp_path / "photos" / "**" / "*.jpg")], target, Output(format="webp"))
    assert [job.target.name for job in jobs] == ["b.webp"]


def test_results_that_would_have_one_name_keep_their_suffixes(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "a.jpg")
    jobs = find_jobs([str(tmp_path)], tmp_path / "out", Output(format="png"))
    assert [job.target.name for job in jobs] == ["a.jpg.png", "a.png.png"]


def test_inputs_that_are_not_there_and_sources_in_the_way_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\*\.png is no file or folder, and matches none"):
        find_jobs([str(tmp_path / "x*.png")], tmp_path, Output())
    with pytest.raises(FileNotFoundError, match="has no images"):
        find_jobs([str(tmp_path)], tmp_path / "out", Output())
    photo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png would be overwritten"):
        find_jobs([str(tmp_path / "a.png")], tmp_path, Output())
    photo(tmp_path / "in" / "a.png")
    with pytest.raises(ValueError, match=r"in/a\.png would both become .*out/a\.png\.png"):
        find_jobs([str(tmp_path / "**" / "a.png")], tmp_path / "out", Output())


@pytest.mark.parametrize(
    ("name", "format_", "words"),
    [("b.bmp", None, "no such format can be written"), ("b.jpg", "png", "would be a png")],
)
def test_a_suffix_that_would_lie_is_refused(
    name: str, format_: Format | None, words: str, tmp_path: Path
) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=words):
        find_jobs([str(tmp_path / "a.png")], tmp_path / name, Output(format=format_))


def test_a_bad_picture_costs_itself_alone_and_what_is_done_is_not_done_again(
    tmp_path: Path, weights: Path
) -> None:
    model = load_model(str(weights), None)
    sources, target = tmp_path / "photos", tmp_path / "out"
    pixels = photo(sources / "good.png")
    photo(sources / "large.png")
    (sources / "bad.png").write_bytes(b"no image")
    whole = (sources / "large.png").read_bytes()
    (sources / "cut.png").write_bytes(whole[: len(whole) // 2])
    jobs = find_jobs([str(sources)], target, Output())
    first = {Path(one.source).name: one for one in done(model, jobs, target)}
    assert {name for name, one in first.items() if one.state == "done"} == {"good.png", "large.png"}
    assert "not a image" in first["bad.png"].words
    assert "damaged" in first["cut.png"].words
    found = read_image(target / "good.png").pixels
    assert np.array_equal(found, upscale(load_generator(weights), pixels))
    second = {Path(one.source).name: one.state for one in done(model, jobs, target)}
    assert second == {"good.png": "skipped", "large.png": "skipped"} | dict.fromkeys(
        ("bad.png", "cut.png"), "failed"
    )
    # another source, a result that is gone, another model: each is done again
    photo(sources / "good.png")
    (target / "large.png").unlink()
    third = {Path(one.source).name: one.state for one in done(model, jobs, target)}
    assert (third["good.png"], third["large.png"]) == ("done", "done")
    other = Model(network=RRDBNet(SMALL).eval(), words="another")
    assert {one.state for one in done(other, jobs, target)} == {"done", "failed"}


def test_files_that_were_not_made_here_stay(tmp_path: Path, weights: Path) -> None:
    model = load_model(str(weights), None)
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "out" / "a.png")
    before = (tmp_path / "out" / "a.png").read_bytes()
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out", Output())
    (outcome,) = done(model, jobs, tmp_path / "out")
    assert outcome.state == "failed"
    assert "--overwrite replaces it" in outcome.words
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    (outcome,) = done(model, jobs, tmp_path / "out", overwrite=True)
    assert outcome.state == "done"


def test_a_full_disk_ends_it(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "in" / "a.png")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out", Output())

    def full(*words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(one_picture, "write_image", full)
    with pytest.raises(OSError, match="No space left"):
        done(load_model(str(weights), None), jobs, tmp_path / "out")


def test_results_that_no_format_holds_are_refused_before_any_work(
    tmp_path: Path, weights: Path
) -> None:
    photo(tmp_path / "long.png", 8, 5000)
    job = Job(source=tmp_path / "long.png", target=tmp_path / "long.webp")
    outcome = upscale_single(load_model(str(weights), None), EXACT, job, Output())
    assert "20000x32 pixels does not fit into webp" in outcome.words
    assert not job.target.exists()


def test_a_large_tiff_is_streamed_to_the_disk(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(str(weights), None)
    pixels = RANDOM.integers(0, 65536, (30, 40, 3)).astype(np.uint16)
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, pixels, photometric="rgb", metadata=None)
    for name, streamed in (("whole.tif", 2**30), ("streamed.tif", 100)):
        monkeypatch.setattr(one_picture, "STREAMED", streamed)
        outcome = upscale_single(model, EXACT, Job(source=source, target=tmp_path / name), Output())
        assert outcome.state == "done"
    whole, streamed_ = (read_image(tmp_path / f"{name}.tif") for name in ("whole", "streamed"))
    assert whole.pixels.dtype == np.uint16
    assert np.array_equal(whole.pixels, streamed_.pixels)


def test_a_file_has_no_alpha_and_an_empty_registry_no_champion(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="--alpha lies between the two networks"):
        load_model(str(weights), 0.5)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(FileNotFoundError, match="no champion yet; `make repro` trains one"):
        load_model(None, None)


def test_the_command_takes_pipes_and_names_what_failed(tmp_path: Path, weights: Path) -> None:
    pixels = photo(tmp_path / "a.png")
    command = [sys.executable, "-m", "pipelines.cli", "upscale", "-", "-o", "-"]
    command += ["--model", str(weights), "--precision", "fp32"]
    with (tmp_path / "a.png").open("rb") as file:
        piped = subprocess.run(
            command, stdin=file, capture_output=True, check=True, timeout=SECONDS
        )
    (tmp_path / "piped.png").write_bytes(piped.stdout)
    expected = upscale(load_generator(weights), pixels)
    assert np.array_equal(read_image(tmp_path / "piped.png").pixels, expected)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    words = ["upscale", str(tmp_path / "a.png"), str(tmp_path / "bad.jpg"), "-o"]
    result = CliRunner().invoke(app, [*words, str(tmp_path / "out"), "--model", str(weights)])
    assert result.exit_code == 1
    assert "1 done" in result.output
    assert "bad.jpg: " in result.output


def test_a_thousand_files_with_fifty_bad_killed_on_the_way(tmp_path: Path, weights: Path) -> None:
    sources, target = tmp_path / "in", tmp_path / "out"
    for number in range(1000):
        photo(sources / f"{number % 7}" / f"{number:04}.png", 4, 5)
    bad = Random(0).sample(range(1000), 50)
    for number in bad:
        (sources / f"{number % 7}" / f"{number:04}.png").write_bytes(b"no image")
    command = [sys.executable, "-m", "pipelines.cli", "upscale", str(sources), "-o", str(target)]
    command += ["--model", str(weights), "--precision", "fp32"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
    journal = target / JOURNAL
    end = time.monotonic() + SECONDS
    while not journal.is_file() or journal.read_text().count("\n") < 400:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    before = {row["target"] for row in rows if row["bytes"]}
    begun = {row["target"] for row in rows} - before
    assert len(begun) <= 1 + len(bad)
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert again.returncode == 1
    assert f"{950 - len(before)} done, {len(before)} were there already" in again.stderr
    assert "50 could not be done:" in again.stderr
    named = [line for line in again.stderr.splitlines() if "not a image" in line]
    assert len(named) == 50
    assert all(any(f"{number:04}.png" in line for line in named) for number in bad)
    results = sorted(target.rglob("*.png"))
    assert len(results) == 950
    assert all(read_image(path).pixels.shape == (16, 20, 3) for path in results)
    assert not list(target.rglob("*.tmp*"))
