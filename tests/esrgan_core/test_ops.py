import numpy as np
import pytest
import torch

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
