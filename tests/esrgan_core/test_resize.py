from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.image import read_rgb
from esrgan_core.resize import bicubic_pair, imresize, resize_pixels
from tests.conftest import textured


@pytest.mark.parametrize("name", ["baboon", "comic"])
def test_lr_equals_that_of_the_esrgan_authors(test_data: Path, name: str) -> None:
    hr = read_rgb(test_data / "sets" / "Set14" / "HR" / f"{name}.png")
    lr = read_rgb(test_data / "esrgan_official" / "LR" / f"{name}.png")
    assert np.array_equal(bicubic_pair(hr, 4)[1], lr)


def test_any_size_equals_matlab(test_data: Path) -> None:
    image = read_rgb(test_data / "matlab" / "lena_512x512.png")
    expected = read_rgb(test_data / "matlab" / "lena_123x234_double.png")
    assert np.array_equal(resize_pixels(image, 1, (123, 234)), expected)


@given(level=st.integers(0, 255), factor=st.sampled_from([0.25, 0.5, 1 / 3, 2, 3, 4]))
def test_a_flat_picture_stays_flat(level: int, factor: float) -> None:
    flat = np.full((24, 36, 3), level, dtype=np.uint8)
    assert (resize_pixels(flat, factor) == level).all()


@given(seed=st.integers(0, 99), factor=st.sampled_from([0.25, 0.5, 2.0]))
def test_resizing_commutes_with_transposition(seed: int, factor: float) -> None:
    image = textured(24, 24, seed) / 255
    turned = imresize(image.transpose(1, 0, 2), factor).transpose(1, 0, 2)
    assert np.allclose(turned, imresize(image, factor), atol=1e-12)


def test_a_pair_is_cropped_to_a_multiple_of_the_scale() -> None:
    hr, lr = bicubic_pair(textured(50, 47), 4)
    assert (hr.shape, lr.shape) == ((48, 44, 3), (12, 11, 3))
