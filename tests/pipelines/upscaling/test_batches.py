"""Batches in several processes, from and to folders and a real S3 server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from PIL import Image

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscale import upscale
from esrgan_core.io.reading import read_image
from esrgan_core.models.weights import load_generator
from pipelines.config.errors import UserError
from pipelines.runtime.parallel import SCHEDULER
from pipelines.sources.s3 import s3_client
from pipelines.upscaling.batches import Batch, upscale_batch
from pipelines.upscaling.jobs import Outcome, Output
from tests.support.s3 import S3, serving_s3

RANDOM = np.random.default_rng(0)
EXACT = UpscaleConfig(device="cpu", precision="fp32")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with serving_s3(tmp_path / "s3") as server:
        for name, text in server.env.items():
            monkeypatch.setenv(name, text)
        s3_client.cache_clear()
        server.client.create_bucket(Bucket="images")
        yield server
    s3_client.cache_clear()


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, np.ndarray]:
    """Pixels by name, next to a file that is no image."""
    found = {}
    for name in ("a", "b", "in/c"):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        found[name] = RANDOM.integers(0, 256, (8, 10, 3)).astype(np.uint8)
        Image.fromarray(found[name]).save(path)
    (tmp_path / "photos" / "bad.png").write_bytes(b"no image")
    return found


def states(outcomes: Iterator[Outcome]) -> dict[str, str]:
    """State of each image by name of the source."""
    return {Path(one.source).stem: one.state for one in outcomes}


FIRST = {"a": "done", "b": "done", "c": "done", "bad": "failed"}
AGAIN = {"a": "skipped", "b": "skipped", "c": "skipped", "bad": "failed"}


def are_upscaled(folder: Path, photos: dict[str, np.ndarray], weights: Path) -> bool:
    network = load_generator(weights)
    return all(
        np.array_equal(read_image(folder / f"{name}.png").pixels, upscale(network, lr))
        for name, lr in photos.items()
    )


def test_a_folder_in_processes(
    tmp_path: Path, photos: dict[str, np.ndarray], weights: Path
) -> None:
    batch = Batch(
        source=str(tmp_path / "photos"), target=str(tmp_path / "out"), model=str(weights),
        config=EXACT,
    )  # fmt: skip
    assert states(upscale_batch(batch, 2)) == FIRST
    assert are_upscaled(tmp_path / "out", photos, weights)
    assert states(upscale_batch(batch, 2)) == AGAIN


def test_a_folder_on_dask_workers(
    tmp_path: Path,
    photos: dict[str, np.ndarray],
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = Batch(
        source=str(tmp_path / "photos"), target=str(tmp_path / "out"), model=str(weights),
        config=EXACT,
    )  # fmt: skip
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv(SCHEDULER, cluster.scheduler_address)
        assert states(upscale_batch(batch)) == FIRST
    assert are_upscaled(tmp_path / "out", photos, weights)


def test_a_prefix_to_a_prefix(
    tmp_path: Path, photos: dict[str, np.ndarray], weights: Path, s3: S3
) -> None:
    for path in (tmp_path / "photos").rglob("*.png"):
        key = f"raw/{path.relative_to(tmp_path / 'photos')}"
        s3.client.upload_file(str(path), "images", key)
    s3.client.put_object(Bucket="images", Key="rawer/d.png", Body=b"of another folder")
    batch = Batch(
        source="s3://images/raw", target="s3://images/raw/large", model=str(weights),
        config=EXACT,
    )  # fmt: skip
    assert states(upscale_batch(batch, 1)) == FIRST
    below = "raw/large/"
    keys = [key for key in s3.keys("images") if key.startswith(below) and "/.esrgan/" not in key]
    assert sorted(keys) == [f"{below}{name}" for name in ("a.png", "b.png", "in/c.png")]
    for key in keys:
        place = tmp_path / key
        place.parent.mkdir(parents=True, exist_ok=True)
        s3.client.download_file("images", key, str(place))
    assert are_upscaled(tmp_path / below, photos, weights)
    assert states(upscale_batch(batch, 1)) == AGAIN
    # a changed source is upscaled again, a result without a record stays
    s3.client.upload_file(str(tmp_path / "photos" / "b.png"), "images", "raw/a.png")
    s3.client.delete_object(Bucket="images", Key=f"{below}.esrgan/b.png.json")
    assert states(upscale_batch(batch, 1)) == AGAIN | {"a": "done", "b": "failed"}


def test_a_prefix_to_a_folder_in_another_format(
    tmp_path: Path, photos: dict[str, np.ndarray], weights: Path, s3: S3
) -> None:
    s3.client.upload_file(str(tmp_path / "photos" / "in" / "c.png"), "images", "raw/in/c.png")
    batch = Batch(
        source="s3://images/raw/", target=str(tmp_path / "out"), model=str(weights),
        config=EXACT, output=Output(format="webp"),
    )  # fmt: skip
    assert states(upscale_batch(batch, 1)) == {"c": "done"}
    expected = upscale(load_generator(weights), photos["in/c"])
    assert np.array_equal(read_image(tmp_path / "out" / "in" / "c.webp").pixels, expected)
    assert states(upscale_batch(batch, 1)) == {"c": "skipped"}


@pytest.mark.usefixtures("photos")
def test_results_may_be_written_above_the_images_but_not_over_them(
    tmp_path: Path, weights: Path, s3: S3
) -> None:
    s3.client.upload_file(str(tmp_path / "photos" / "a.png"), "images", "raw/a.png")
    batch = Batch(source="s3://images/raw", target="s3://images", model=str(weights), config=EXACT)
    assert states(upscale_batch(batch, 1)) == {"a": "done"}
    assert "a.png" in s3.keys("images")
    with pytest.raises(UserError, match=r"raw/a\.png would be overwritten"):
        list(upscale_batch(replace(batch, target=batch.source, overwrite=True), 1))


def test_results_on_s3_are_not_upscaled_again_and_other_objects_are_named(
    tmp_path: Path, photos: dict[str, np.ndarray], weights: Path, s3: S3
) -> None:
    (tmp_path / "photos" / "bad.png").unlink()
    s3.client.upload_file(str(tmp_path / "photos" / "b.png"), "images", "raw/own.png")
    s3.client.put_object(Bucket="images", Key="raw/notes.txt", Body=b"text")
    batch = Batch(
        source=str(tmp_path / "photos"), target="s3://images/raw/old", model=str(weights),
        config=EXACT,
    )  # fmt: skip
    # from a folder to a prefix
    assert states(upscale_batch(batch, 1)) == dict.fromkeys("abc", "done")
    lines: list[str] = []
    batch = replace(batch, source="s3://images/raw", target="s3://images/raw/new")
    assert states(upscale_batch(batch, 1, lines.append)) == {"own": "done"}
    assert lines == [
        "1 left out, not an image by its suffix: s3://images/raw/notes.txt",
        "3 left out, each a result of esrgan: s3://images/raw/old/a.png, "
        "s3://images/raw/old/b.png, s3://images/raw/old/in/c.png",
    ]
    # results of the prefix that is given are sources
    batch = replace(batch, source="s3://images/raw/old", target="s3://images/larger")
    assert states(upscale_batch(batch, 1)) == dict.fromkeys("abc", "done")


def test_a_prefix_without_images_is_named(weights: Path, s3: S3, tmp_path: Path) -> None:
    batch = Batch(source="s3://images/none", target=str(tmp_path / "out"), model=str(weights))
    with pytest.raises(UserError, match="s3://images/none contains no images"):
        list(upscale_batch(batch))
