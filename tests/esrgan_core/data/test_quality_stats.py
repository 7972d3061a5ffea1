import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from esrgan_core.data.quality_stats import blockiness, contrast, detail_drop
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import imresize
from esrgan_core.io.rgb import read_rgb

LOSSLESS = ("astronaut.png", "chelsea.png", "coffee.png")


def photograph(name: str) -> NDArray[np.uint8]:
    return read_rgb(Path(str(files("skimage") / "data" / name)))


def compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_luma_is_full_range() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)
    assert luma(ends)[0].tolist() == pytest.approx([0, 255])


def test_contrast_of_a_blank_picture_is_nothing() -> None:
    assert contrast(luma(np.full((9, 9, 3), 77, np.uint8))) == 0


@pytest.mark.parametrize("name", LOSSLESS)
def test_compression_leaves_blocks_wherever_they_were_cropped(name: str) -> None:
    pixels = photograph(name)
    packed = compressed(pixels, 50)
    assert blockiness(luma(pixels)) < 0.05
    assert blockiness(luma(packed)) > 0.2
    assert blockiness(luma(packed[3:, 5:])) > 0.2


@pytest.mark.parametrize("name", LOSSLESS)
def test_enlarging_adds_no_detail(name: str) -> None:
    pixels = photograph(name)
    small = imresize(pixels, 0.5, divisor=255)
    enlarged = (imresize(small, 2).clip(0, 1) * 255).round().astype(np.uint8)
    assert detail_drop(luma(pixels)) > -8
    assert detail_drop(luma(enlarged)) < -13


def test_pictures_that_are_too_small_say_nothing() -> None:
    tiny = luma(photograph("coffee.png")[:20, :20])
    assert blockiness(tiny) == 0
    assert detail_drop(tiny) == 0
    one = luma(np.zeros((1, 1, 3), np.uint8))
    assert (contrast(one), blockiness(one), detail_drop(one)) == (0, 0, 0)
