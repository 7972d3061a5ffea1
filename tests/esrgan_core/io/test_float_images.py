"""Float images: their range, and values that are not finite."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import read_image
from esrgan_core.io.writing import encode
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import network_state
from tests.support.images import tiff
from tests.support.networks import SMALL, Nearest

RANDOM = np.random.default_rng(0)


def floats(low: float, high: float, channels: int = 3) -> np.ndarray:
    """Values that fill a range, whose ends are each taken by one percent."""
    unit = np.clip(RANDOM.random((40, 50, channels)) * 1.02 - 0.01, 0, 1)
    return (unit * (high - low) + low).astype(np.float32)


def upscaler(network: Any) -> Upscaler:
    config = UpscaleConfig(device="cpu", precision="fp32")
    return Upscaler(network_state(network.eval()), config, free_memory=lambda: 2**34)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_are_counted(bad: float, kind: Any) -> None:
    values = floats(0, 1).astype(kind)
    values[0, 0, 0] = values[3, 3, 1] = bad
    with pytest.raises(BadImageError, match=r"2 of 6000 values are not finite \(NaN or infinite\)"):
        read_image(tiff(values, photometric="rgb"))


def test_doubles_beyond_single_precision_are_refused() -> None:
    values = floats(0, 1).astype(np.float64)
    values[0, 0, 0] = 1e300
    with pytest.raises(BadImageError, match="1 of 6000 values are not finite"):
        read_image(tiff(values, photometric="rgb"))


def test_alpha_beyond_1_is_refused() -> None:
    values = np.concatenate([floats(0, 1), floats(0, 255, 1)], axis=2)
    with pytest.raises(BadImageError, match=r"alpha from 0 to 255; scale it to \[0, 1\]"):
        read_image(tiff(values, photometric="rgb", extrasamples=["unassalpha"]))


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-40, 20), (-1, 1), (0, 65535)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_result_depends_on_the_range_as_little_as_possible(
    low: float, high: float, channels: int
) -> None:
    unit = floats(0, 1, channels)
    network = upscaler(RRDBNet(SMALL))
    expected = network(DecodedImage(pixels=unit)).pixels
    wide = unit * np.float32(high - low) + np.float32(low)
    found = network(DecodedImage(pixels=wide))
    assert np.allclose((found.pixels - low) / (high - low), expected, atol=2e-5)
    assert found.changes == (
        f"values from {low:.6g} to {high:.6g} were kept; the network got {low:.6g} to "
        f"{max(high, 1):.6g} as black to white",
    )


def test_a_single_bright_light_does_not_darken_the_others() -> None:
    values = floats(0, 1)
    plain = upscaler(RRDBNet(SMALL))(DecodedImage(pixels=values))
    assert plain.changes == ()
    values[20, 25] = 1000
    result = upscaler(Nearest(1))(DecodedImage(pixels=values))
    assert np.array_equal(result.pixels, values)
    assert result.changes == (
        "values from 0 to 1000 were kept; the network got 0 to 1 as black to white",
    )


@pytest.mark.parametrize("format_", ["png", "jpg", "webp"])
def test_clipping_is_reported_if_something_was_clipped(format_: Any) -> None:
    bits = 16 if format_ == "png" else 8
    inside = convert_to(DecodedImage(pixels=floats(0, 1)), format_)
    assert inside.changes == (f"float became {bits} bits",)
    outside = convert_to(DecodedImage(pixels=floats(-0.5, 12)), format_)
    clipped = ", values from -0.5 to 12 were clipped to [0, 1]"
    assert outside.changes == (f"float became {bits} bits{clipped}",)
    # as far as rounding reaches
    nearly = DecodedImage(pixels=np.full((2, 2, 3), 1 + 0.4 / 65535, np.float32))
    assert convert_to(nearly, format_).changes == (f"float became {bits} bits",)


def test_enlarged_alpha_stays_in_its_range() -> None:
    alpha = np.zeros((20, 20), np.float32)
    alpha[5:15, 5:15] = 1
    image = DecodedImage(pixels=floats(0, 1)[:20, :20], alpha=alpha)
    found = upscaler(Nearest(4))(image).alpha
    assert found is not None
    assert found.min() >= 0
    assert found.max() <= 1


def test_transparent_cmyk_is_composited_on_white_paper() -> None:
    image = DecodedImage(pixels=np.full((8, 8, 4), 200, np.uint8), alpha=np.zeros((8, 8), np.uint8))
    again = read_image(BytesIO(encode(convert_to(image, "jpg"), "jpg")))
    assert again.kind == "cmyk"
    assert again.pixels.max() <= 2
