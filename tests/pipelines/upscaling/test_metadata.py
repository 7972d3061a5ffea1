"""Metadata of a folder's images, in the formats of the command."""

from pathlib import Path

import pytest

from esrgan_core.inference.config import UpscaleConfig
from pipelines.upscaling import one as one_image
from pipelines.upscaling.jobs import Output, find_jobs
from pipelines.upscaling.many import upscale_jobs
from pipelines.upscaling.model import load_model
from tests.support.metadata import exif_of, saved, tagged
from tests.support.networks import SMALL

EXACT = UpscaleConfig(device="cpu", precision="fp32")
SIZES = {"Exif.Photo.PixelXDimension": "32", "Exif.Photo.PixelYDimension": "24"}


def messages(weights: Path, source: Path, target: Path, output: Output) -> dict[str, str]:
    """The message of each image, all of which are upscaled."""
    jobs = find_jobs([str(source)], target, output)
    outcomes = list(upscale_jobs(load_model(str(weights), None), EXACT, jobs, target, output))
    assert {one.state for one in outcomes} == {"done"}
    return {Path(one.source).stem: one.message for one in outcomes}


def test_metadata_that_jpeg_cannot_hold_fails_no_image(tmp_path: Path, weights: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b" " * 70_000 + b"</x:xmpmeta>"
    (source / "xmp.webp").write_bytes(saved("WEBP", lossless=True, xmp=xmp))
    exif = b"II*\0\x08\0\0\0\x01\0\x7c\x92\x07\0\0\0\x02\0\x1a\0\0\0\0\0\0\0" + bytes(2**17)
    (source / "exif.webp").write_bytes(saved("WEBP", lossless=True, exif=exif))
    (source / "plain.webp").write_bytes(saved("WEBP", lossless=True))
    output = Output(format="jpg")
    found = messages(weights, source, tmp_path / "out", output)
    assert "JPEG cannot hold XMP of 70048 bytes" in found["xmp"]
    assert found["exif"].count("JPEG cannot hold EXIF of 131") == 1
    assert not found["plain"]
    stripped = messages(
        weights, source, tmp_path / "less", Output(format="jpg", strip_metadata=True)
    )
    assert not any(stripped.values())


def test_a_streamed_tiff_has_the_metadata_of_a_small_one(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    tags = SIZES | {"Exif.Image.Copyright": "(c) Rémi", "Exif.GPSInfo.GPSLatitudeRef": "N"}
    data = tagged(saved("JPEG"), tags)
    (source / "a.jpg").write_bytes(data[:2] + b"\xff\xfe\0\x06note" + data[2:])
    output = Output(format="tif")
    height, width = (str(side * SMALL.scale) for side in (24, 32))
    expected = tags | dict(zip(SIZES, (width, height), strict=True))
    for streamed, name in ((2**30, "small"), (0, "large")):
        monkeypatch.setattr(one_image, "STREAMED", streamed)
        found = messages(weights, source, tmp_path / name, output)
        assert found == {"a": "TIFF cannot hold texts: dropped comment"}
        assert expected.items() <= exif_of((tmp_path / name / "a.tif").read_bytes()).items()
