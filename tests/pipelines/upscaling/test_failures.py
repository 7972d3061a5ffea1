"""An image that cannot be upscaled is named and stops no other."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from esrgan_core.io import writing
from pipelines.upscaling import one as one_image
from pipelines.upscaling.batches import Batch, upscale_batch
from pipelines.upscaling.jobs import Output, find_jobs
from pipelines.upscaling.model import load_model
from tests.pipelines.upscaling.test_many import EXACT, photo, run


def test_any_error_of_one_image_is_named_and_stops_no_other(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.write_image

    def write(path: Path, *args: object) -> None:
        if path.stem == "b":
            raise struct.error("argument out of range")
        real(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(one_image, "write_image", write)
    for name in "abc":
        photo(tmp_path / "in" / f"{name}.png")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out", Output())
    found = run(load_model(str(weights), None), jobs, tmp_path / "out")
    assert [one.state for one in found] == ["done", "failed", "done"]
    assert found[1].message == "error: argument out of range"
    batch = Batch(
        source=str(tmp_path / "in"), target=str(tmp_path / "out2"), model=str(weights), config=EXACT
    )
    assert [one.state for one in upscale_batch(batch, 1)] == ["done", "failed", "done"]

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(one_image, "write_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(upscale_batch(replace(batch, overwrite=True, target=str(tmp_path / "out3")), 1))


def test_a_result_whose_name_is_too_long_stops_no_other(tmp_path: Path, weights: Path) -> None:
    for name in (f"{250 * 'a'}.png", f"{250 * 'a'}.jpg", "b.png"):
        photo(tmp_path / "in" / name)
    batch = Batch(
        source=str(tmp_path / "in"), target=str(tmp_path / "out"), model=str(weights), config=EXACT,
        output=Output(format="png"),
    )  # fmt: skip
    found = {Path(one.source).name[:2]: one for one in upscale_batch(batch, 1)}
    assert found["b."].state == "done"
    assert "File name too long" in found["aa"].message
