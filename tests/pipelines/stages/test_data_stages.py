"""The three stages from images to pairs, and the errors that they find."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import LocalCluster
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from esrgan_core.data.pairs import PairStore
from esrgan_core.files import file_sha256
from esrgan_core.io.resize import bicubic_pair, imresize
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.artifacts import MANIFEST, PAIRS, SKIPPED, VALIDATION_REPORT
from pipelines.data.config import BicubicConfig, DownloadConfig, ValidationRules
from pipelines.data.manifest import BadImagesError, read_manifest
from pipelines.stages import bicubic, download, validate
from tests.conftest import textured
from tests.pipelines.stages.conftest import PHOTOGRAPHS
from tests.support import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run_download(
    *, skip_bad: bool = False, lr: str = "made", exclude: list[str] | None = None
) -> None:
    config = DownloadConfig(lr=lr, exclude=exclude or [])  # type: ignore[arg-type]
    download.run(download.Params(scale=4, skip_bad=skip_bad, download=config))


def run_validate(*, skip_bad: bool = False, lr_generator: str = "matlab") -> None:
    config = ValidationRules(
        min_side=128,
        modes=["RGB", "L"],
        lr_generator=lr_generator,  # type: ignore[arg-type]
    )
    validate.run(validate.Params(scale=4, skip_bad=skip_bad, validate=config))


def run_bicubic(workers: int = 1) -> PairStore:
    bicubic.run(bicubic.Params(scale=4, bicubic=BicubicConfig(workers=workers)))
    return PairStore(PAIRS)


def opencv_lr(hr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """LR as OpenCV makes it: torch has the same kernel, without antialiasing."""
    image = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double()
    small = interpolate(image, scale_factor=0.25, mode="bicubic", antialias=False)
    return small[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def add_bad_images(data: Path) -> None:
    coffee, chelsea = read_rgb(data / "test/own/coffee.png"), read_rgb(data / "train/chelsea.png")
    shutil.copyfile(data / "train/astronaut.png", data / "train/duplicate.png")
    half = Image.fromarray(chelsea).resize((225, 150))
    half.save(data / "train/near_duplicate.jpg", quality=40)
    # mirrored and compressed, so that no checksum tells
    Image.fromarray(coffee[:, ::-1]).save(data / "train/leak.jpg", quality=80)
    Image.new("RGB", (300, 300), (200, 200, 200)).save(data / "train/flat.png")
    rocket = read_rgb(data / "val/rocket.jpg")
    enlarged = imresize(rocket[:200, 300:500] / 255, 2).clip(0, 1)
    write_png(data / "val/enlarged.png", (enlarged * 255).round().astype(np.uint8))


def test_every_bad_image_is_found_and_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_bad_images(data)
    run_download()
    with pytest.raises(BadImagesError) as caught:
        run_validate()
    message = str(caught.value)
    warnings = capsys.readouterr().err
    for path, what, twin in (
        ("train/duplicate.png", "same content as another image", "train/astronaut.png"),
        ("train/leak.jpg", "duplicate of an image of another split", "test/own/coffee.png"),
        ("train/flat.png", "blank or flat", "0"),
    ):
        assert f"{path}: {what} ({twin}" in message
    assert message.count("\n  ") == 3
    assert "train/near_duplicate.jpg: looks like another image (train/chelsea.png)" in warnings
    assert "val/enlarged.png: looks enlarged or blurred" in warnings


def test_every_bad_pair_is_found_and_named(data: Path) -> None:
    originals = {name: next(data.glob(f"{name}.*")) for name in PHOTOGRAPHS}
    for name, path in originals.items():
        hr = read_rgb(path)
        if name == "train/chelsea":
            lr = opencv_lr(hr)
        elif name == "train/astronaut":
            lr = bicubic_pair(np.roll(hr, 1, axis=0), 4)[1]
        elif name == "train/flower":
            lr = bicubic_pair(hr, 2)[1]
        elif name == "val/rocket":
            lr = textured(hr.shape[0] // 4, hr.shape[1] // 4)
        else:
            lr = bicubic_pair(hr, 4, "per_pass_uint8")[1]
        write_png(data / "lr" / f"{name}.png", lr)
    run_download(lr="provided")
    with pytest.raises(BadImagesError) as caught:
        run_validate()
    message = str(caught.value)
    assert "train/chelsea.png: its LR is not MATLAB's bicubic (OpenCV INTER_CUBIC)" in message
    assert "train/astronaut.png: its LR is shifted by so many LR pixels (0.2" in message
    assert "train/flower.jpg: its LR does not fit" in message
    assert "320x213 pixels, its HR by 4 is 160x106" in message
    assert "val/rocket.jpg: its LR shows something else" in message
    assert "test/own" not in message


def test_bad_images_are_skipped_with_skip_bad(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_bad_images(data)
    (data / "train/damaged.png").write_bytes((data / "train/astronaut.png").read_bytes()[:9999])
    Image.fromarray(textured(90, 300)).save(data / "train/small.png")
    Image.fromarray(textured(300, 300)).convert("CMYK").save(data / "train/cmyk.tif")
    with pytest.raises(BadImagesError, match=r"damaged\.png: damaged"):
        run_download()
    run_download(skip_bad=True)
    assert list(pd.read_csv(SKIPPED)["image"]) == ["train/damaged"]
    run_validate(skip_bad=True)
    left_out = {"duplicate.png", "leak.jpg", "flat.png", "small.png", "cmyk.tif"}
    excluded = json.loads(VALIDATION_REPORT.read_text())["excluded"]
    assert {Path(path).name for path in excluded} == left_out
    names = {Path(name).name for name in map(attrgetter("name"), run_bicubic().entries)}
    assert names == {Path(name).name for name in PHOTOGRAPHS} | {"near_duplicate", "enlarged"}
    assert "skipped train/damaged: damaged" in capsys.readouterr().err


def test_too_few_good_images_are_an_error_with_skip_bad(data: Path) -> None:
    (data / "val/rocket.jpg").write_bytes(b"no image")
    run_download(skip_bad=True)
    with pytest.raises(BadImagesError, match="a split is empty"):
        run_validate(skip_bad=True)


def test_an_image_can_be_excluded_by_name(data: Path) -> None:
    add_bad_images(data)
    run_download(exclude=["train/duplicate", "train/leak", "train/flat"])
    run_validate()
    assert "train/leak.jpg" not in {row.path for row in read_manifest(MANIFEST)}


def test_provided_lr_is_packed_as_it_is(data: Path) -> None:
    for name in PHOTOGRAPHS:
        hr = read_rgb(next(data.glob(f"{name}.*")))
        write_png(data / "lr" / f"{name}.png", bicubic_pair(hr, 4, "per_pass_uint8")[1])
    run_download()
    run_validate()
    made = run_bicubic()
    assert made.facts.convention == "matlab_double"
    hr = read_rgb(data / "train/chelsea.png")
    assert np.array_equal(made.lr("train/chelsea"), bicubic_pair(hr, 4)[1])
    run_download(lr="provided")
    run_validate()
    provided = run_bicubic()
    assert provided.facts.convention == "supplied"
    lr = read_rgb(data / "lr/train/chelsea.png")
    assert np.array_equal(provided.lr("train/chelsea"), lr)
    assert not np.array_equal(lr, bicubic_pair(hr, 4)[1])


def test_photographs_cause_few_warnings(
    data: Path, test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(test_data / "photos/kodak", data / "train", dirs_exist_ok=True)
    shutil.copytree(test_data / "sets/Set14/HR", data / "test/set14")
    run_download()
    run_validate()
    warnings = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")
    ]
    assert sum("JPEG" in line for line in warnings) >= 4
    assert len(warnings) < 15


def file_hashes(store: PairStore) -> dict[str, str]:
    return {str(path): file_sha256(path) for path in sorted(store.root.rglob("*.*"))}


def test_the_store_does_not_depend_on_the_number_of_workers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(20):
        write_png(data / f"train/{seed}.png", textured(130, 140 + seed, seed))
    run_download()
    run_validate()
    stores = []
    for workers in (1, 2):
        monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / f"state{workers}"))
        stores.append(file_hashes(run_bicubic(workers)))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state3"))
        stores.append(file_hashes(run_bicubic()))
    assert len(stores[0]) == 2 * 26 + 2
    assert stores[0] == stores[1] == stores[2]


PREPARE = "from tests.pipelines.stages.test_data_stages import run_bicubic; run_bicubic(2)"


def test_a_kill_costs_at_most_one_image_per_worker(data: Path, tmp_path: Path) -> None:
    for seed in range(30):
        write_png(data / f"train/{seed}.png", textured(400, 450, seed))
    run_download()
    run_validate()
    notes, arrays = tmp_path / "state/prepared/pairs", tmp_path / "state/prepared/hr"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([sys.executable, "-c", PREPARE], env=env, start_new_session=True)
    while len(list(notes.glob("[!.]*.json"))) < 8:
        assert worker.poll() is None
        time.sleep(0.01)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    done = {path.stem for path in notes.glob("[!.]*.json")}
    before = {path.stem: path.stat().st_ino for path in arrays.glob("[!.]*.npy")}
    assert 8 <= len(done) < 36
    assert len(before.keys() - done) <= 2
    run_bicubic(2)
    kept = {
        stem for stem, inode in before.items() if (arrays / f"{stem}.npy").stat().st_ino == inode
    }
    assert kept >= done
    assert len(PairStore(PAIRS).entries) == 36


def test_a_damaged_prepared_pair_is_made_again(data: Path, tmp_path: Path) -> None:
    run_download()
    run_validate()
    before = file_hashes(run_bicubic())
    shutil.rmtree(PAIRS)
    path = next((tmp_path / "state/prepared/lr").glob("*.npy"))
    spoiled = bytearray(path.read_bytes())
    spoiled[-1] ^= 1
    path.write_bytes(spoiled)
    assert file_hashes(run_bicubic()) == before


def test_an_image_that_changed_since_validation_is_not_packed(data: Path) -> None:
    run_download()
    run_validate()
    write_png(Path("artifacts/images/train/chelsea.png"), textured(300, 300))
    with pytest.raises(BadImagesError, match=r"train/chelsea\.png: it has changed since"):
        run_bicubic()


def test_without_good_images_the_error_lists_the_causes(data: Path) -> None:
    for path in data.rglob("*.*"):
        path.write_bytes(b"no image " + path.name.encode())
    with pytest.raises(BadImagesError, match="and 3 more: not an image"):
        run_download(skip_bad=True)
