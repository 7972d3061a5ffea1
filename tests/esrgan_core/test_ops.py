import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esrgan_core.ops import crop_border, crop_to_multiple, rgb_to_y, symmetry
from tests.conftest import textured


def test_luma_spans_16_to_235() -> None:
    black_white = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)])
    assert torch.allclose(rgb_to_y(black_white).flatten() * 255, torch.tensor([16.0, 235.0]))


def test_the_eight_symmetries_differ_and_keep_the_pixels() -> None:
    image = textured(8, 8)
    seen = {symmetry(image, which).tobytes() for which in range(8)}
    assert len(seen) == 8
    assert {np.sort(symmetry(image, which), axis=None).tobytes() for which in range(8)} == {
        np.sort(image, axis=None).tobytes()
    }


def test_a_border_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="border of 4 leaves nothing of a 8x9 image"):
        crop_border(torch.zeros(1, 3, 9, 8), 4)


def test_a_picture_below_one_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="3x9"):
        crop_to_multiple(np.zeros((9, 3, 3), np.uint8), 4)


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
