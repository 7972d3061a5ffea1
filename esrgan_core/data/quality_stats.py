"""Statistics of pixels that reveal compression, enlargement, or no content.

The typical values are of some ninety photographs, and of these after JPEG and resizing; see
docs/data.md.
"""

import numpy as np
from jaxtyping import Float

Luma = Float[np.ndarray, "h w"]
TILE = 128
MAX_TILES = 64
JPEG_BLOCK = 8


def contrast(image: Luma) -> float:
    """Standard deviation in gray levels; about 0 for a blank page."""
    return float(image.std())


def blockiness(image: Luma) -> float:
    """Excess of the steps on an 8-pixel grid over the others, relative to the mean step.

    About 0.02 for photographs without compression, 0.1 after JPEG of quality 75, 0.3 after 50.
    The grid may have any offset, since a JPEG may have been cropped; 0 for images that are too
    small.

    >>> bool(blockiness(np.kron(np.random.default_rng(0).random((9, 9)), np.ones((8, 8)))) > 1)
    True
    """
    if min(image.shape) < 4 * JPEG_BLOCK:
        return 0.0
    found = []
    for along in (image, image.T):
        steps = np.abs(np.diff(along, axis=1)).mean(axis=0)
        excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
        whole = len(excess) // JPEG_BLOCK * JPEG_BLOCK
        phases = excess[:whole].reshape(-1, JPEG_BLOCK).mean(axis=0)
        found.append(float((phases.max() - np.median(phases)) / max(steps.mean(), 1e-6)))
    # JPEG has the grid in both directions; in one only, it is content
    return min(found)


def detail_drop(image: Luma) -> float:
    """Level of the finest detail in dB, relative to its extrapolation from coarser detail.

    Power spectra of photographs fall as a power of frequency, which is fitted from 0.03 to 0.2
    cycles per pixel and compared above 0.36. Photographs have -10 to 5; enlarged by two, they have
    -14 to -30, since enlargement adds no detail. 0 for images that are too small.
    """
    height, width = image.shape
    if min(height, width) < TILE:
        return 0.0
    frequency, power = _radial_spectrum(image)
    fitted = (frequency > 0.03) & (frequency < 0.2)
    fine = frequency > 0.36
    level = 10 * np.log10(power + 1e-9)
    law = np.polyfit(np.log(frequency[fitted]), level[fitted], 1)
    return float((level[fine] - np.polyval(law, np.log(frequency[fine]))).mean())


def _radial_spectrum(image: Luma) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """(cycles per pixel, power), averaged over evenly spread tiles."""
    height, width = image.shape
    corners = [
        (top, left)
        for top in range(0, height - TILE + 1, TILE // 2)
        for left in range(0, width - TILE + 1, TILE // 2)
    ]
    window = np.outer(np.hanning(TILE), np.hanning(TILE))
    total = np.zeros((TILE, TILE))
    chosen = corners[:: -(-len(corners) // MAX_TILES)]
    for top, left in chosen:
        tile = image[top : top + TILE, left : left + TILE]
        total += np.abs(np.fft.fft2((tile - tile.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE)))
    edges = np.linspace(0.02, 0.5, 25)
    ring = np.digitize(radius, edges)
    power = total / len(chosen) / (window**2).sum()
    rings = np.array([power[ring == number].mean() for number in range(1, len(edges))])
    return (edges[1:] + edges[:-1]) / 2, rings
