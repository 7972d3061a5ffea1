from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.io.resize import Convention, bicubic_pair, imresize, resize_pixels
from esrgan_core.io.rgb import read_rgb
from tests.conftest import textured


@pytest.mark.parametrize("name", ["baboon", "comic"])
def test_lr_equals_that_of_the_esrgan_authors(test_data: Path, name: str) -> None:
    hr = read_rgb(test_data / "sets" / "Set14" / "HR" / f"{name}.png")
    lr = read_rgb(test_data / "esrgan_official" / "LR" / f"{name}.png")
    assert np.array_equal(bicubic_pair(hr, 4)[1], lr)


@pytest.mark.parametrize(
    ("matlab_class", "convention"), [("double", "double"), ("uint8", "per_pass_uint8")]
)
def test_any_size_equals_matlab(test_data: Path, matlab_class: str, convention: Convention) -> None:
    image = read_rgb(test_data / "matlab" / "lena_512x512.png")
    expected = read_rgb(test_data / "matlab" / f"lena_123x234_{matlab_class}.png")
    ours = resize_pixels(image, size=(123, 234), convention=convention)
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5s_lr_is_rounded_after_each_pass(test_data: Path, scale: int) -> None:
    folder = test_data / "sets" / "Set5"
    files = sorted((folder / "HR").iterdir())
    assert len(files) == 5
    for path in files:
        lr = bicubic_pair(read_rgb(path), scale, "per_pass_uint8")[1]
        assert np.array_equal(lr, read_rgb(folder / f"LRbicx{scale}" / path.name)), path.name


@pytest.mark.parametrize("name", ["Set14", "BSD100"])
def test_selfexsrs_lr_repeats_the_border(test_data: Path, name: str) -> None:
    folder = test_data / "sets" / name
    files = sorted((folder / "HR").iterdir())
    assert len(files) >= 14
    for path in files:
        lr = bicubic_pair(read_rgb(path), 4, "per_pass_uint8_replicate")[1]
        assert np.array_equal(lr, read_rgb(folder / "LRbicx4" / path.name)), path.name


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot resize 5x4 pixels to 0x7"):
        imresize(np.zeros((4, 5, 3)), size=(7, 0))


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
