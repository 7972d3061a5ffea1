"""Many images: the jobs, the journal and the outcome of each image."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscale import upscale
from esrgan_core.io.decoded_image import Format
from esrgan_core.io.reading import read_image
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator, network_state
from pipelines.cli.app import app
from pipelines.config.errors import UserError
from pipelines.upscaling import one as one_image
from pipelines.upscaling.jobs import Job, Outcome, Output, find_jobs
from pipelines.upscaling.many import upscale_jobs
from pipelines.upscaling.model import Model, load_model
from pipelines.upscaling.recorded import JOURNAL
from tests.support.networks import SMALL

RANDOM = np.random.default_rng(0)
EXACT = UpscaleConfig(device="cpu", precision="fp32")
SECONDS = 300


def photo(path: Path, height: int = 8, width: int = 10) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (height, width, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def run(model: Model, jobs: list[Job], target: Path, **options: bool) -> list[Outcome]:
    return list(upscale_jobs(model, EXACT, jobs, target, Output(), **options))


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


def test_wrong_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\*\.png matches no file or folder"):
        find_jobs([str(tmp_path / "x*.png")], tmp_path, Output())
    with pytest.raises(UserError, match="contains no images"):
        find_jobs([str(tmp_path)], tmp_path / "out", Output())
    photo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png would be overwritten"):
        find_jobs([str(tmp_path / "a.png")], tmp_path, Output())
    photo(tmp_path / "in" / "a.png")
    with pytest.raises(UserError, match=r"in/a\.png would both be written to .*out/a\.png\.png"):
        find_jobs([str(tmp_path / "**" / "a.png")], tmp_path / "out", Output())


@pytest.mark.parametrize(
    ("name", "format_", "message"),
    [("b.bmp", None, "unknown format"), ("b.jpg", "png", "does not fit --format png")],
)
def test_a_suffix_must_fit_the_format(
    name: str, format_: Format | None, message: str, tmp_path: Path
) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(UserError, match=message):
        find_jobs([str(tmp_path / "a.png")], tmp_path / name, Output(format=format_))


def test_a_bad_image_stops_no_other_and_finished_images_are_skipped(
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
    first = {Path(one.source).name: one for one in run(model, jobs, target)}
    assert {name for name, one in first.items() if one.state == "done"} == {"good.png", "large.png"}
    assert "not an image" in first["bad.png"].message
    assert "damaged" in first["cut.png"].message
    found = read_image(target / "good.png").pixels
    assert np.array_equal(found, upscale(load_generator(weights), pixels))
    second = {Path(one.source).name: one.state for one in run(model, jobs, target)}
    assert second == {"good.png": "skipped", "large.png": "skipped"} | dict.fromkeys(
        ("bad.png", "cut.png"), "failed"
    )
    # a changed source, a deleted result and another model: each is upscaled again
    photo(sources / "good.png")
    (target / "large.png").unlink()
    third = {Path(one.source).name: one.state for one in run(model, jobs, target)}
    assert (third["good.png"], third["large.png"]) == ("done", "done")
    other = Model(network=network_state(RRDBNet(SMALL).eval()), description="another")
    assert {one.state for one in run(other, jobs, target)} == {"done", "failed"}


def test_files_that_esrgan_did_not_write_stay(tmp_path: Path, weights: Path) -> None:
    model = load_model(str(weights), None)
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "out" / "a.png")
    before = (tmp_path / "out" / "a.png").read_bytes()
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out", Output())
    (outcome,) = run(model, jobs, tmp_path / "out")
    assert outcome.state == "failed"
    assert "--overwrite replaces it" in outcome.message
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    (outcome,) = run(model, jobs, tmp_path / "out", overwrite=True)
    assert outcome.state == "done"


def test_a_full_disk_stops_all(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "in" / "a.png")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out", Output())

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(one_image, "write_image", full)
    with pytest.raises(OSError, match="No space left"):
        run(load_model(str(weights), None), jobs, tmp_path / "out")


def test_results_too_large_for_their_format_fail_before_any_work(
    tmp_path: Path, weights: Path
) -> None:
    photo(tmp_path / "long.png", 8, 5000)
    job = Job(source=tmp_path / "long.png", target=tmp_path / "long.webp")
    (outcome,) = run(load_model(str(weights), None), [job], job.target)
    assert "20000x32 pixels does not fit into webp" in outcome.message
    assert not job.target.exists()


@pytest.mark.parametrize(
    ("kind", "message"),
    [(np.uint16, ""), (np.float32, "values from 0 to 65535 were kept; the network got")],
)
def test_a_large_tiff_is_streamed_to_the_disk(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, message: str
) -> None:
    model = load_model(str(weights), None)
    pixels = RANDOM.integers(0, 65536, (30, 40, 3)).astype(kind)
    pixels[0, 0], pixels[1, 1] = 0, 65535
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, pixels, photometric="rgb", metadata=None)
    for name, streamed in (("whole.tif", 2**30), ("streamed.tif", 100)):
        monkeypatch.setattr(one_image, "STREAMED", streamed)
        target = tmp_path / name
        (outcome,) = run(model, [Job(source=source, target=target)], target)
        assert outcome.state == "done"
        assert outcome.message.startswith(message)
    whole, streamed_ = (read_image(tmp_path / f"{name}.tif") for name in ("whole", "streamed"))
    assert whole.pixels.dtype == kind
    assert np.array_equal(whole.pixels, streamed_.pixels)


def test_alpha_needs_a_registered_model_and_the_default_a_champion(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="--alpha needs a registered model"):
        load_model(str(weights), 0.5)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="no champion; `make repro` trains one"):
        load_model(None, None)


def test_the_command_reads_and_writes_pipes_and_names_failures(
    tmp_path: Path, weights: Path
) -> None:
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
    broken = subprocess.run(command, input=b"no image", capture_output=True, check=False)
    assert (broken.returncode, broken.stdout) == (1, b"")
    assert "-: not an image" in broken.stderr.decode()
    with pytest.raises(UserError, match="give exactly one image"):
        find_jobs(["-", "a.png"], tmp_path, Output())
    with pytest.raises(UserError, match="unknown format"):
        find_jobs(["-"], tmp_path / "a.bmp", Output())
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    args = ["upscale", str(tmp_path / "a.png"), str(tmp_path / "bad.jpg"), "-o"]
    result = CliRunner().invoke(app, [*args, str(tmp_path / "out"), "--model", str(weights)])
    assert result.exit_code == 1
    assert "1 done" in result.output
    assert "bad.jpg: " in result.output


def test_a_killed_run_of_a_thousand_images_continues(tmp_path: Path, weights: Path) -> None:
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
    finished = {row["target"] for row in rows if row["bytes"]}
    started = {row["target"] for row in rows} - finished
    assert len(started) <= 1 + len(bad)
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert again.returncode == 1
    assert f"{950 - len(finished)} done, {len(finished)} skipped" in again.stderr
    assert "50 failed:" in again.stderr
    named = [line for line in again.stderr.splitlines() if "not an image" in line]
    assert len(named) == 50
    assert all(any(f"{number:04}.png" in line for line in named) for number in bad)
    results = sorted(target.rglob("*.png"))
    assert len(results) == 950
    assert all(read_image(path).pixels.shape == (16, 20, 3) for path in results)
    assert not list(target.rglob("*.tmp*"))
