"""Which files of a folder are images."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.folder import SUFFIXES, find_images
from esrgan_core.io.reading import read_image

NO_IMAGES = {".eps", ".ps", ".emf", ".wmf", ".bufr", ".fit", ".fits", ".grib", ".h5", ".hdf", ".im"}
"""Drawings, scientific data, and a format that Pillow will no longer read."""


def test_images_are_found_by_suffix_and_sorted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/x.jpg", "notes.txt", ".hidden.png", "a/y.JFIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    lines: list[str] = []
    found = find_images(tmp_path, lines.append)
    assert found == [tmp_path / "a/x.jpg", tmp_path / "a/y.JFIF", tmp_path / "b.PNG"]
    assert lines == [f"1 left out, not an image by its suffix: {tmp_path}/notes.txt"]


def test_every_suffix_that_pillow_reads_is_found_and_read(tmp_path: Path) -> None:
    Image.init()
    formats = Image.registered_extensions()
    both = {suffix for suffix, name in formats.items() if name in Image.SAVE and name in Image.OPEN}
    image = Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))
    modes = {".blp": "P", ".msp": "1", ".xbm": "1"}
    for suffix in both - NO_IMAGES:
        image.convert(modes.get(suffix, "RGB")).save(tmp_path / f"a{suffix}")
    lines: list[str] = []
    found = find_images(tmp_path, lines.append)
    assert {path.suffix for path in found} == both - NO_IMAGES
    assert not lines
    # ICNS stores large icons only
    assert {read_image(path).pixels.shape[0] for path in found} == {32, 1024}


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    for name in ("a.png", "b.cr2", "c.txt", "d.mp4", "e.svg", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "long.png").symlink_to(300 * "n")
    deep, here = tmp_path, os.open(tmp_path, os.O_RDONLY)
    # a path that is too long to be opened
    for _ in range(20):
        os.mkdir(250 * "d", dir_fd=here)
        below = os.open(250 * "d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        deep, here = deep / (250 * "d"), below
    os.close(here)
    lines: list[str] = []
    assert find_images(tmp_path, lines.append) == [tmp_path / "a.png"]
    names = ", ".join(f"{tmp_path}/{name}" for name in ("b.cr2", "c.txt", "d.mp4"))
    assert lines[0] == f"4 left out, each not an image by its suffix: {names} and 1 more"
    assert lines[1] == (f"2 left out, each a broken link: {tmp_path}/gone.png, {tmp_path}/long.png")
    assert lines[2].startswith("1 left out, a folder that cannot be read: ")


@pytest.mark.parametrize("suffix", ["gif", "apng", "webp", "avif", "tif"])
def test_animated_images_are_rejected(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert find_images(tmp_path, print) == [path]
    with pytest.raises(BadImageError, match="2 images in one file"):
        read_image(path)


def test_raw_photographs_are_no_tiffs_by_their_suffix() -> None:
    assert not SUFFIXES & {".dng", ".nef", ".cr2", ".arw"}
