import numpy as np
import pytest

from esrgan_core.io.geometry import crop_to_multiple, symmetry
from tests.conftest import textured


def test_the_eight_symmetries_differ_and_keep_the_pixels() -> None:
    image = textured(8, 8)
    seen = {symmetry(image, which).tobytes() for which in range(8)}
    assert len(seen) == 8
    assert {np.sort(symmetry(image, which), axis=None).tobytes() for which in range(8)} == {
        np.sort(image, axis=None).tobytes()
    }


def test_a_picture_below_one_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="3x9"):
        crop_to_multiple(np.zeros((9, 3, 3), np.uint8), 4)
