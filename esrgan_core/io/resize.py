"""MATLAB's `imresize(..., 'bicubic')` with antialiasing, in double precision.

Each axis is one sparse matrix whose rows hold the kernel's weights, the border folded in.

Public test sets were made by three conventions, which differ by a level here and there:

* `double`: arithmetic in double precision, rounded once at the end. MATLAB's way for images of
  class double (`im2double` first); the ESRGAN authors' LR. Ours wherever nothing else is said.
* `per_pass_uint8`: rounded to 8 bits after each axis. MATLAB's way for images of class uint8;
  the LR of EDSR's benchmark sets.
* `per_pass_uint8_replicate`: likewise, but beyond the border stands its last pixel instead of
  the mirrored image; the LR that SelfExSR published.
"""

from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8

from esrgan_core.io.geometry import crop_to_multiple

Convention = Literal["double", "per_pass_uint8", "per_pass_uint8_replicate"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
Border = Literal["symmetric", "replicate"]
STRIPE = 512
"""Lines that are in double precision at a time."""
Array = Float[np.ndarray, "..."]


def _cubic(x: Array) -> Array:
    """Keys' cubic kernel with a = -1/2 (Keys 1981), the one of MATLAB."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=64)
def _weights(source: int, target: int, factor: float, border: Border) -> Any:
    """The sparse `target x source` matrix that resizes one axis by `factor`."""
    # slow to import, and whoever hands the resizing to other processes does without it
    from scipy import sparse  # noqa: PLC0415

    stretch = min(factor, 1.0)
    width = 4.0 / stretch
    taps = int(np.ceil(width)) + 2
    # positions in MATLAB's 1-based pixel coordinates
    center = np.arange(1, target + 1) / factor + 0.5 * (1 - 1 / factor)
    first = np.floor(center - width / 2)
    index = first[:, None] + np.arange(taps)
    weight = stretch * _cubic(stretch * (center[:, None] - index))
    weight /= weight.sum(axis=1, keepdims=True)
    column = index.astype(np.int64) - 1
    if border == "symmetric":
        mirror = np.concatenate([np.arange(source), np.arange(source)[::-1]])
        column = mirror[column % len(mirror)]
    else:
        column = column.clip(0, source - 1)
    row = np.repeat(np.arange(target), taps)
    matrix = sparse.coo_array((weight.ravel(), (row, column.ravel())), shape=(target, source))
    result = matrix.tocsr()
    result.sum_duplicates()
    result.eliminate_zeros()
    return result


def _along_rows(image: Array, target: int, factor: float, border: Border) -> Array:
    height, width, channels = image.shape
    flat = image.reshape(height, width * channels)
    return (_weights(height, target, factor, border) @ flat).reshape(target, width, channels)


def _along_columns(image: Array, target: int, factor: float, border: Border) -> Array:
    height, width, channels = image.shape
    # turned as a plain matrix, which is three times as fast as moving three values at a time
    turned = np.ascontiguousarray(image.reshape(height, width * channels).T)
    done = _weights(width, target, factor, border) @ turned.reshape(width, channels * height)
    return done.reshape(target, channels, height).transpose(2, 0, 1)


def _passes(
    height: int, width: int, factor: float, size: tuple[int, int] | None
) -> list[tuple[bool, int, float]]:
    """(is it along rows, target length, factor) of the two passes in MATLAB's order."""
    if size is None:
        size = int(np.ceil(height * factor)), int(np.ceil(width * factor))
        factors = factor, factor
    else:
        factors = size[0] / height, size[1] / width
    if min(height, width, *size) < 1:
        raise ValueError(f"cannot resize {width}x{height} pixels to {size[1]}x{size[0]}")
    passes = [(True, size[0], factors[0]), (False, size[1], factors[1])]
    # the axis with the smaller factor goes first
    return passes if factors[0] <= factors[1] else passes[::-1]


def imresize(
    image: Float[np.ndarray, "h w c"] | UInt8[np.ndarray, "h w c"],
    factor: float = 1,
    size: tuple[int, int] | None = None,
    divisor: float = 1,
) -> Float[np.ndarray, "rows columns c"]:
    """Resize by `factor` to `ceil(factor * size)` pixels, or to the (height, width) given.

    With `size` the factor of each axis is the ratio of the sizes and `factor` is not used.
    Values are divided by `divisor` first, and neither clipped nor rounded; bicubic weights
    overshoot at edges.

    Raises:
        ValueError: if the image or the result has no pixels.
    """
    first, second = _passes(image.shape[0], image.shape[1], factor, size)
    # in stripes that the first pass does not mix: the double precision copy of a whole image
    # would be eight times as large as its pixels
    lines = 1 if first[0] else 0
    stripes = np.split(image, range(STRIPE, image.shape[lines], STRIPE), axis=lines)
    reduced = [_pass(stripe / divisor, *first, "symmetric") for stripe in stripes]
    return _pass(np.concatenate(reduced, axis=lines), *second, "symmetric")


def _pass(
    image: Array | UInt8[np.ndarray, "..."],
    along_rows: bool,
    target: int,
    factor: float,
    border: Border,
) -> Array:
    resize_axis = _along_rows if along_rows else _along_columns
    return resize_axis(np.ascontiguousarray(image, dtype=np.float64), target, factor, border)


def resize_pixels(
    pixels: UInt8[np.ndarray, "h w c"],
    factor: float = 1,
    size: tuple[int, int] | None = None,
    convention: Convention = "double",
) -> UInt8[np.ndarray, "rows columns c"]:
    """`imresize` of 8-bit pixels, clipped and rounded half up, by one of the conventions.

    Raises:
        ValueError: if the image or the result has no pixels.
    """
    if convention == "double":
        return _rounded(imresize(pixels, factor, size, divisor=255) * 255)
    border: Border = "replicate" if convention == "per_pass_uint8_replicate" else "symmetric"
    for along_rows, target, ratio in _passes(pixels.shape[0], pixels.shape[1], factor, size):
        pixels = _rounded(_pass(pixels, along_rows, target, ratio, border))
    return pixels


def _rounded(values: Array) -> UInt8[np.ndarray, "..."]:
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def bicubic_pair(
    hr: UInt8[np.ndarray, "h w c"], scale: int, convention: Convention = "double"
) -> tuple[UInt8[np.ndarray, "hh ww c"], UInt8[np.ndarray, "lh lw c"]]:
    """(HR cropped to a multiple of `scale`, its LR): how the field makes its pairs."""
    hr = crop_to_multiple(hr, scale)
    return hr, resize_pixels(hr, 1 / scale, convention=convention)
