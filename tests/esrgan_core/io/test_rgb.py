from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.inspection import inspect_image
from esrgan_core.io.rgb import read_rgb, write_png
from tests.conftest import textured
from tests.support.images import encode_png, raw_png


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    pixels = textured(20, 30)
    write_png(tmp_path / "a.png", pixels)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), pixels)
    assert np.array_equal(read_rgb(BytesIO(encode_png(pixels))), pixels)


def test_a_truncated_file_is_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(textured(64, 64))[:4000])
    with pytest.raises(BadImageError, match="damaged"):
        inspect_image(path)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(BadImageError, match="not an image"):
        inspect_image(tmp_path / "a.png")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("L", (20000, 20000)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="cut the image"):
        inspect_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16"])
def test_a_mode_that_would_lose_something_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="convert it to 8-bit RGB"):
        read_rgb(tmp_path / "a.png")


def test_gray_fills_all_channels(tmp_path: Path) -> None:
    Image.new("L", (4, 5), 77).save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png") == 77).all()


def test_a_survey_says_what_a_picture_is_and_shows(tmp_path: Path) -> None:
    pixels = textured(40, 61)
    write_png(tmp_path / "a.png", pixels)
    found = inspect_image(tmp_path / "a.png")
    assert (found.width, found.height, found.mode, found.format) == (61, 40, "RGB", "PNG")
    assert found.pixels is not None
    assert np.array_equal(found.pixels, pixels)
    gray = Image.open(tmp_path / "a.png").convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(found.thumbnail, np.asarray(gray))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_color_is_no_8_bit_color(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    values = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    if suffix == "png":
        path.write_bytes(raw_png(values, 16, 2, {}).getvalue())
    else:
        tifffile.imwrite(path, values)
    assert inspect_image(path).mode == "RGB;16"
    with pytest.raises(BadImageError, match="mode RGB;16; convert it to 8-bit"):
        read_rgb(path)


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(textured(20, 20, seed)) for seed in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(BadImageError, match="3 images in one"):
        inspect_image(tmp_path / "a.tif")


def test_a_damaged_chunk_between_the_pixels_is_named(tmp_path: Path) -> None:
    data = encode_png(textured(64, 64))
    path = tmp_path / "a.png"
    start = data.index(b"IDAT") + 4 + 2000
    path.write_bytes(data[:start] + bytes(40) + data[start + 40 :])
    with pytest.raises(BadImageError, match="damaged"):
        read_rgb(path)
