from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from esrgan_core.image import (
    BadImageError,
    encode_png,
    find_images,
    inspect_image,
    read_rgb,
    to_pixels,
    to_tensor,
    write_png,
)
from tests.conftest import textured


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    pixels = textured(20, 30)
    write_png(tmp_path / "a.png", pixels)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), pixels)
    assert np.array_equal(read_rgb(BytesIO(encode_png(pixels))), pixels)


@given(st.integers(0, 255))
def test_pixels_survive_the_way_through_a_tensor(level: int) -> None:
    pixels = np.full((2, 3, 3), level, np.uint8)
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)


def test_values_outside_the_range_are_clipped() -> None:
    assert to_pixels(torch.tensor([[[[-1.0]], [[0.5]], [[7.0]]]])).tolist() == [[[0, 128, 255]]]


def test_a_truncated_file_is_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(textured(64, 64))[:4000])
    with pytest.raises(BadImageError, match="damaged"):
        inspect_image(path)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(BadImageError, match="not a picture"):
        inspect_image(tmp_path / "a.png")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("L", (20000, 20000)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="cut the picture"):
        inspect_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16"])
def test_a_mode_that_would_lose_something_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="convert it to 8-bit RGB"):
        read_rgb(tmp_path / "a.png")


def test_gray_fills_all_channels(tmp_path: Path) -> None:
    Image.new("L", (4, 5), 77).save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png") == 77).all()


def test_pictures_are_found_by_suffix_and_sorted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/x.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(tmp_path) == [tmp_path / "a/x.jpg", tmp_path / "b.PNG"]
