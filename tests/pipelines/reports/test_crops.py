import numpy as np

from pipelines.reports.crops import most_detailed_crop
from tests.conftest import textured


def test_the_crop_has_the_detail_and_is_on_the_lr_grid() -> None:
    image = np.full((200, 240, 3), 90, np.uint8)
    image[100:164, 60:124] = textured(64, 64)
    rows, columns = most_detailed_crop(image, 64, 4)
    assert abs(rows.start - 100) <= 4
    assert abs(columns.start - 60) <= 4
    assert rows.start % 4 == columns.start % 4 == 0
    assert (rows.stop - rows.start, columns.stop - columns.start) == (64, 64)


def test_the_crop_of_a_small_image_is_its_largest_square() -> None:
    rows, columns = most_detailed_crop(textured(40, 52), 128, 4)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (40, 40)
