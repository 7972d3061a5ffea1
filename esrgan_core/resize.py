"""MATLAB's `imresize(..., 'bicubic')` with antialiasing, in double precision.

Each axis is one sparse matrix whose rows hold the kernel's weights; the border is
mirrored with its edge pixel repeated, as MATLAB does.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse

from esrgan_core.ops import crop_to_multiple


def _cubic(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Keys' cubic kernel with a = -1/2 (Keys 1981), the one of MATLAB."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=64)
def _weights(source: int, target: int, factor: float) -> sparse.csr_array:
    """The `target x source` matrix that resizes one axis by `factor`."""
    stretch = min(factor, 1.0)
    width = 4.0 / stretch
    taps = int(np.ceil(width)) + 2
    # positions in MATLAB's 1-based pixel coordinates
    center = np.arange(1, target + 1) / factor + 0.5 * (1 - 1 / factor)
    first = np.floor(center - width / 2)
    index = first[:, None] + np.arange(taps)
    weight = stretch * _cubic(stretch * (center[:, None] - index))
    weight /= weight.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(source), np.arange(source)[::-1]])
    column = mirror[(index.astype(np.int64) - 1) % len(mirror)]
    row = np.repeat(np.arange(target), taps)
    matrix = sparse.coo_array((weight.ravel(), (row, column.ravel())), shape=(target, source))
    result = matrix.tocsr()
    result.sum_duplicates()
    result.eliminate_zeros()
    return result


def imresize(
    image: Float[np.ndarray, "h w c"], factor: float, size: tuple[int, int] | None = None
) -> Float[np.ndarray, "rows columns c"]:
    """Resize by `factor` to `ceil(factor * size)` pixels, or to the (height, width) given.

    With `size` the factor of each axis is the ratio of the sizes and `factor` is not used.
    Values are neither clipped nor rounded; bicubic weights overshoot at edges.
    """
    height, width, channels = image.shape
    rows, columns = size or (int(np.ceil(height * factor)), int(np.ceil(width * factor)))
    vertical, horizontal = (rows / height, columns / width) if size else (factor, factor)
    double = np.ascontiguousarray(image, dtype=np.float64)

    def along_rows(array: Float[np.ndarray, "..."], width: int) -> Float[np.ndarray, "..."]:
        flat = array.reshape(height, width * channels)
        return (_weights(height, rows, vertical) @ flat).reshape(rows, width, channels)

    def along_columns(array: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        turned = np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(width, -1)
        done = _weights(width, columns, horizontal) @ turned
        return done.reshape(columns, array.shape[0], channels).transpose(1, 0, 2)

    # MATLAB resizes the axis with the smaller factor first
    if vertical <= horizontal:
        return along_columns(along_rows(double, width))
    return along_rows(np.ascontiguousarray(along_columns(double)), columns)


def resize_pixels(
    pixels: UInt8[np.ndarray, "h w c"], factor: float, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "rows columns c"]:
    """`imresize` of 8-bit pixels in double precision, clipped and rounded once, half up."""
    resized = imresize(pixels / 255.0, factor, size)
    return np.floor(np.clip(resized, 0, 1) * 255 + 0.5).astype(np.uint8)


def bicubic_pair(
    hr: UInt8[np.ndarray, "h w c"], scale: int
) -> tuple[UInt8[np.ndarray, "hh ww c"], UInt8[np.ndarray, "lh lw c"]]:
    """(HR cropped to a multiple of `scale`, its LR): how the field makes its pairs."""
    hr = crop_to_multiple(hr, scale)
    return hr, resize_pixels(hr, 1 / scale)
