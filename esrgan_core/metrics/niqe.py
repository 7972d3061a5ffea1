"""NIQE, the no-reference natural image quality evaluator (Mittal et al. 2013); lower is better.

The pristine model is the authors' published one: `niqe_pristine.csv`, a mean row above the
covariance. Blocks are 96 pixels, as in the code of the PIRM 2018 challenge.
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float
from scipy.ndimage import correlate1d
from scipy.special import gamma

from esrgan_core.io.resize import imresize
from esrgan_core.metrics.errors import UnmeasurableError

BLOCK = 96
Rows = Float[np.ndarray, "n features"]
Blocks = Float[np.ndarray, "n side side"]
OFFSET, SIGMA = np.arange(7) - 3, 7 / 6
FLAT = 1e-6
"""Variance in gray levels below which an area is only rounding noise."""
# shifts along (rows, columns); the products with the block are modeled
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


@lru_cache(maxsize=1)
def _pristine() -> tuple[Float[np.ndarray, " 36"], Float[np.ndarray, "36 36"]]:
    with (files("esrgan_core.metrics") / "niqe_pristine.csv").open(encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", comments="#")
    return table[0], table[1:]


@lru_cache(maxsize=1)
def _shapes() -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """(moment ratios, ascending; their shape parameters)."""
    shape = np.arange(0.2, 10.001, 0.001)
    ratio = gamma(2 / shape) ** 2 / (gamma(1 / shape) * gamma(3 / shape))
    return ratio, shape


def niqe(luma: Float[np.ndarray, "h w"]) -> float:
    """NIQE of a BT.601 luma image in [0, 255], rounded to whole levels as MATLAB's uint8 is.

    Raises:
        UnmeasurableError: if there are fewer than two blocks of 96 pixels that are not flat, which
            the covariance needs.
    """
    height, width = luma.shape
    rows, columns = height // BLOCK, width // BLOCK
    if rows * columns < 2:
        raise UnmeasurableError(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK}, got {width}x{height} pixels"
        )
    image = luma[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    half = imresize(image[..., None] / 255, 0.5)[..., 0] * 255
    features = np.hstack(
        [_features_by_rows(_blocks(each, rows, columns), rows) for each in (image, half)]
    )
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        raise UnmeasurableError("NIQE needs two blocks that are not flat")
    mean, covariance = np.nanmean(features, axis=0), np.cov(whole, rowvar=False)
    pristine_mean, pristine_covariance = _pristine()
    apart = pristine_mean - mean
    return float(np.sqrt(apart @ np.linalg.pinv((pristine_covariance + covariance) / 2) @ apart))


def _blocks(image: Float[np.ndarray, "h w"], rows: int, columns: int) -> Blocks:
    """Contrast-normalized coefficients (eq. 1) of the image, split into rows x columns blocks."""
    window = np.exp(-(OFFSET**2) / (2 * SIGMA**2))
    window /= window.sum()

    def smooth(array: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
        once = correlate1d(array, window, axis=0, mode="nearest")
        return correlate1d(once, window, axis=1, mode="nearest")

    mean, square = smooth(image), smooth(image * image)
    _sum_flat_areas_in_order(image, mean, square)
    # in place, since fresh memory costs more than the arithmetic: (I - mean) / (deviation + 1)
    square -= mean * mean
    deviation = np.sqrt(np.abs(square, out=square), out=square)
    deviation += 1
    normal = np.subtract(image, mean, out=mean)
    normal /= deviation
    side = normal.shape[0] // rows
    return normal.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)


def _sum_flat_areas_in_order(
    image: Float[np.ndarray, "h w"],
    mean: Float[np.ndarray, "h w"],
    square: Float[np.ndarray, "h w"],
) -> None:
    """Recompute `mean` and `square` in flat areas, in place, tap by tap.

    There the coefficients are rounding noise, whose signs the features count: they match the
    reference only if the sum has the same order. Elsewhere two passes along the axes are as
    accurate and several times as fast.
    """
    flat = np.nonzero(np.abs(square - mean * mean) < FLAT)
    if not len(flat[0]):
        return
    window = np.exp(-(OFFSET[:, None] ** 2 + OFFSET**2) / (2 * SIGMA**2))
    window /= window.sum()
    padded = np.pad(image, 3, mode="edge")
    taps = np.stack(
        [padded[flat[0] + row, flat[1] + column] for row in range(7) for column in range(7)]
    )
    # NumPy adds up the rows of an array in order
    mean[flat] = (taps * window.reshape(-1, 1)).sum(axis=0)
    square[flat] = (taps * taps * window.reshape(-1, 1)).sum(axis=0)


def _features_by_rows(blocks: Blocks, rows: int) -> Rows:
    """Features of all blocks, one row of blocks at a time, which fits into the caches."""
    return np.concatenate([_features(row) for row in np.array_split(blocks, rows)])


def _features(blocks: Blocks) -> Rows:
    """The 18 features of each block at one scale: of the block, then of four products."""
    alpha, left, right = _asymmetric_gaussian(blocks)
    columns = [alpha, (left + right) / 2]
    for shift in SHIFTS:
        alpha, left, right = _asymmetric_gaussian(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * (gamma(2 / alpha) / gamma(1 / alpha))
        columns += [alpha, mean, left, right]
    return np.stack(columns, axis=1)


def _asymmetric_gaussian(blocks: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(shape, left spread, right spread) of each block by moment matching (Lasmar et al. 2009)."""
    flat = blocks.reshape(len(blocks), -1)
    squares = flat * flat
    negative, positive = flat < 0, flat > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt((squares * negative).sum(1) / negative.sum(1))
        right = np.sqrt((squares * positive).sum(1) / positive.sum(1))
        skew = left / right
        ratio = np.abs(flat).mean(1) ** 2 / squares.mean(1)
    target = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    ratios, shapes = _shapes()
    after = np.clip(np.searchsorted(ratios, target), 1, len(ratios) - 1)
    nearer = np.abs(ratios[after] - target) < np.abs(ratios[after - 1] - target)
    alpha = np.where(np.isnan(target), np.nan, shapes[np.where(nearer, after, after - 1)])
    spread = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * spread, right * spread
