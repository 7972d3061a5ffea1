"""MATLAB's `imresize(..., 'bicubic')` with antialiasing, in double precision.

Each axis is a sparse matrix whose rows hold the kernel's weights, including the border.

Public test sets use three conventions, which differ by single levels:

* `double`: in double precision, rounded at the end. MATLAB's result for images of class double
  (`im2double` first); the ESRGAN authors' LR, and our default.
* `per_pass_uint8`: rounded to 8 bits after each axis. MATLAB's result for images of class uint8;
  the LR of EDSR's benchmark sets.
* `per_pass_uint8_replicate`: likewise, but the border is replicated, not mirrored; the LR that
  SelfExSR published.
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
"""Lines to convert to double precision at a time."""
Array = Float[np.ndarray, "..."]


def _cubic(x: Array) -> Array:
    """Keys' cubic kernel with a = -1/2 (Keys 1981), as in MATLAB."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=64)
def _weights(source: int, target: int, factor: float, border: Border) -> Any:
    """The sparse `target x source` matrix that resizes one axis by `factor`."""
    from scipy import sparse  # noqa: PLC0415  SciPy is slow to import

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


def _pass(
    image: Array | UInt8[np.ndarray, "..."],
    along_rows: bool,
    target: int,
    factor: float,
    border: Border,
) -> Array:
    height, width, channels = image.shape
    flat = np.ascontiguousarray(image, dtype=np.float64).reshape(height, width * channels)
    if along_rows:
        return (_weights(height, target, factor, border) @ flat).reshape(target, width, channels)
    # transposed as a plain matrix, which is three times as fast as moving three values at a time
    columns = np.ascontiguousarray(flat.T).reshape(width, channels * height)
    result = _weights(width, target, factor, border) @ columns
    return result.reshape(target, channels, height).transpose(2, 0, 1)


def _passes(
    height: int, width: int, factor: float, size: tuple[int, int] | None
) -> list[tuple[bool, int, float]]:
    """(along rows, target length, factor) of the two passes, in MATLAB's order."""
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

    Values are divided by `divisor` first, and neither clipped nor rounded; bicubic weights
    overshoot at edges.

    Raises:
        ValueError: if the image or the result has no pixels.
    """
    first, second = _passes(image.shape[0], image.shape[1], factor, size)
    # in stripes, since the image in double precision would be eight times as large
    lines = 1 if first[0] else 0
    stripes = np.split(image, range(STRIPE, image.shape[lines], STRIPE), axis=lines)
    reduced = [_pass(stripe / divisor, *first, "symmetric") for stripe in stripes]
    return _pass(np.concatenate(reduced, axis=lines), *second, "symmetric")


def resize_pixels(
    pixels: UInt8[np.ndarray, "h w c"],
    factor: float = 1,
    size: tuple[int, int] | None = None,
    convention: Convention = "double",
) -> UInt8[np.ndarray, "rows columns c"]:
    """Resize 8-bit pixels by one of the conventions, clipped and rounded half up.

    Raises:
        ValueError: if the image or the result has no pixels.
    """
    if convention == "double":
        return round_pixels(imresize(pixels, factor, size, divisor=255) * 255)
    border: Border = "replicate" if convention == "per_pass_uint8_replicate" else "symmetric"
    for along_rows, target, ratio in _passes(pixels.shape[0], pixels.shape[1], factor, size):
        pixels = round_pixels(_pass(pixels, along_rows, target, ratio, border))
    return pixels


def round_pixels(values: Array) -> UInt8[np.ndarray, "..."]:
    """Values clipped to [0, 255] and rounded half up."""
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def bicubic_pair(
    hr: UInt8[np.ndarray, "h w c"], scale: int, convention: Convention = "double"
) -> tuple[UInt8[np.ndarray, "hh ww c"], UInt8[np.ndarray, "lh lw c"]]:
    """(HR cropped to a multiple of `scale`, its LR)."""
    hr = crop_to_multiple(hr, scale)
    return hr, resize_pixels(hr, 1 / scale, convention=convention)
