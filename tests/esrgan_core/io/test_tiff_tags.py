"""TIFFs without tags that have a default, as old programs write them."""

import numpy as np
import pytest

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import read_image
from tests.support.images import raw_tiff, tiff

SAMPLES = np.arange(24).reshape(2, 4, 3) * 10
RGB, YCBCR, CMYK = 2, 6, 5
BITS, ROWS, BYTES, PLANAR = 258, 278, 279, 284


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("without", [{PLANAR}, {ROWS}, {BYTES}, {PLANAR, ROWS}])
def test_a_missing_tag_has_its_default(bits: int, without: set[int]) -> None:
    image = read_image(raw_tiff(SAMPLES, bits, RGB, without=without))
    assert np.array_equal(image.pixels, SAMPLES)


def test_cmyk_without_a_planar_configuration_is_read() -> None:
    samples = np.arange(32).reshape(2, 4, 4)
    assert np.array_equal(read_image(raw_tiff(samples, 8, CMYK, without={PLANAR})).pixels, samples)


def test_one_number_of_bits_holds_for_all_channels() -> None:
    image = read_image(raw_tiff(SAMPLES, 8, RGB, tags={BITS: [8]}, without={PLANAR}))
    assert np.array_equal(image.pixels, SAMPLES)


@pytest.mark.parametrize("subsampling", [[1, 1], [2, 2]])
def test_ycbcr_that_is_no_jpeg_is_refused_by_name(subsampling: list[int]) -> None:
    source = raw_tiff(SAMPLES, 8, YCBCR, tags={530: subsampling})
    with pytest.raises(BadImageError, match="3 channels as YCBCR; convert it to RGB"):
        read_image(source)


def test_parameters_of_a_compression_are_not_reported() -> None:
    source = tiff(SAMPLES.astype(np.uint8), photometric="rgb", compression="lerc")
    assert not read_image(source).metadata.lost
