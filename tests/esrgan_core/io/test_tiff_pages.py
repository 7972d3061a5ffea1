"""Which page of a TIFF is its image."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.inspection import inspect_image
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.rgb import read_rgb

REDUCED, MASK = 1, 4
RANDOM = np.random.default_rng(0)


def pages(*contents: tuple[np.ndarray, dict[str, Any]]) -> BytesIO:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for values, options in contents:
            file.write(values, metadata=None, **{"photometric": "rgb"} | options)
    return BytesIO(buffer.getvalue())


def color(kind: Any, height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 255, (height, width, 3)).astype(kind)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("first", [True, False])
def test_reduced_copies_are_ignored(kind: Any, first: bool) -> None:
    whole = color(kind, 12, 16) / np.asarray(255 if kind == np.float32 else 1, kind)
    whole = whole.astype(kind)
    copies = [(whole[::2, ::2], {"subfiletype": REDUCED}), (whole[::4, ::4], {"subfiletype": 1})]
    source = pages(*copies, (whole, {})) if first else pages((whole, {}), *copies)
    assert image_size(source) == (12, 16)
    image = read_image(source)
    assert np.array_equal(image.pixels, whole)
    assert image.changes == ()


def test_the_older_tag_of_reduced_copies_counts() -> None:
    whole = color(np.uint8, 12, 16)
    old = {"extratags": [(255, 3, 1, 2, True)]}
    assert np.array_equal(read_image(pages((whole, {}), (whole[::2, ::2], old))).pixels, whole)


def test_a_palette_after_its_reduced_copy_is_read() -> None:
    values = RANDOM.integers(0, 256, (12, 16), dtype=np.uint8)
    palette = {
        "photometric": "palette",
        "colormap": np.tile(np.arange(256, dtype=np.uint16), (3, 1)) * 257,
    }
    source = pages((values[::2, ::2], palette | {"subfiletype": REDUCED}), (values, palette))
    assert np.array_equal(read_image(source).pixels[..., 1], values)
    assert image_size(source) == (12, 16)


def test_training_ignores_reduced_copies(tmp_path: Path) -> None:
    whole, path = color(np.uint8, 12, 16), tmp_path / "a.tif"
    source = pages((whole[::2, ::2], {"subfiletype": REDUCED}), (whole, {}))
    path.write_bytes(source.getvalue())
    assert np.array_equal(read_rgb(path), whole)
    found = inspect_image(path)
    assert (found.width, found.height, found.mode) == (16, 12, "RGB")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_two_whole_images_are_refused(kind: Any) -> None:
    one, other = color(kind, 12, 16), color(kind, 12, 16)
    source = pages((one, {}), (other, {}), (one[::2, ::2], {"subfiletype": REDUCED}))
    for read in (read_image, image_size):
        with pytest.raises(BadImageError, match="2 images in one file; save the one to use"):
            read(source)


def test_a_single_page_is_read_whatever_it_is_called() -> None:
    whole = color(np.uint8, 12, 16)
    assert np.array_equal(read_image(pages((whole, {"subfiletype": REDUCED}))).pixels, whole)


def test_a_mask_of_another_size_is_reported() -> None:
    mask = {"photometric": "mask", "subfiletype": MASK}
    source = pages((color(np.uint8, 12, 16), {}), (np.ones((6, 8), bool), mask))
    image = read_image(source)
    assert image.alpha is None
    assert image.changes == ("the transparency mask was left out",)


def test_reduced_masks_are_ignored() -> None:
    small = {"photometric": "mask", "subfiletype": MASK | REDUCED}
    image = read_image(pages((color(np.uint8, 12, 16), {}), (np.ones((6, 8), bool), small)))
    assert image.alpha is None
    assert image.changes == ()


def test_a_reduced_copy_is_not_read_instead_of_the_image_below_it() -> None:
    whole, buffer = color(np.uint8, 12, 16), BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(whole[::2, ::2], photometric="rgb", subfiletype=REDUCED, subifds=1)
        file.write(whole, photometric="rgb")
    with pytest.raises(BadImageError, match="only reduced-size images; export the full one"):
        read_image(BytesIO(buffer.getvalue()))


def test_a_palette_of_16_bits_is_refused_by_name() -> None:
    source = pages((np.zeros((4, 4), np.uint16), {"photometric": "minisblack"}))
    with tifffile.TiffFile(BytesIO(source.getvalue())) as file:
        place = file.pages.first.tags[262].valueoffset
    data = bytearray(source.getvalue())
    data[place] = 3
    with pytest.raises(BadImageError, match="1 channel as PALETTE; convert it to RGB"):
        read_image(BytesIO(bytes(data)))
