import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.tensors import crop_border, rgb_to_y, to_pixels, to_tensor


def test_luma_spans_16_to_235() -> None:
    black_white = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)])
    assert torch.allclose(rgb_to_y(black_white).flatten() * 255, torch.tensor([16.0, 235.0]))


def test_a_border_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a 8x9 image has no pixels inside a border of 4"):
        crop_border(torch.zeros(1, 3, 9, 8), 4)


@given(st.integers(0, 255))
def test_pixels_survive_the_way_through_a_tensor(level: int) -> None:
    pixels = np.full((2, 3, 3), level, np.uint8)
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)


def test_values_outside_the_range_are_clipped() -> None:
    assert to_pixels(torch.tensor([[[[-1.0]], [[0.5]], [[7.0]]]])).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_makes_no_pixels(value: float) -> None:
    image = torch.zeros(1, 3, 4, 5)
    image[0, 1, 2, 3] = value
    with pytest.raises(NotFiniteError, match="the network's result is not finite"):
        to_pixels(image)


COLOR = st.lists(st.floats(0, 1), min_size=3, max_size=3)


def luma(color: list[float]) -> float:
    return float(rgb_to_y(torch.tensor(color, dtype=torch.double).view(1, 3, 1, 1)))


@given(a=COLOR, b=COLOR, share=st.floats(0, 1))
def test_luma_of_a_mixture_is_the_mixture_of_lumas(
    a: list[float], b: list[float], share: float
) -> None:
    mixture = [share * x + (1 - share) * y for x, y in zip(a, b, strict=True)]
    assert luma(mixture) == pytest.approx(share * luma(a) + (1 - share) * luma(b), abs=1e-12)
    assert 16 / 255 - 1e-9 <= luma(mixture) <= 235 / 255 + 1e-9


# MATLAB: rgb2ycbcr([1 0 0; 0 1 0; 0 0 1]) has 81.481, 144.553 and 40.966 in its first column
@pytest.mark.parametrize(("channel", "level"), [(0, 81.481), (1, 144.553), (2, 40.966)])
def test_luma_of_pure_colors_is_matlabs(channel: int, level: float) -> None:
    color = [float(channel == index) for index in range(3)]
    assert 255 * luma(color) == pytest.approx(level, abs=1e-9)
