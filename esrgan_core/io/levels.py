"""Black and white of float images, whose values may lie beyond [0, 1]."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from esrgan_core.io.decoded_image import Array

RARE = 0.001
"""Share of the values that may lie beyond black, and beyond white: a single bright light must not
darken all other values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """The values that a network gets as 0 and 1."""

    black: float = 0.0
    white: float = 1.0

    def normalize(self, pixels: Array) -> Array:
        """Map black to 0 and white to 1."""
        if self == Levels():
            return pixels
        normal: Array = (pixels - np.float32(self.black)) / np.float32(self.white - self.black)
        return normal

    def restore(self, pixels: Array) -> None:
        """Undo `normalize` in place."""
        if self != Levels():
            pixels *= np.float32(self.white - self.black)
            pixels += np.float32(self.black)

    def describe(self, pixels: Array) -> Iterator[str]:
        """For messages: the range of float pixels beyond [0, 1], and what is done."""
        if pixels.dtype == np.float32 and (pixels.min() < 0 or pixels.max() > 1):
            yield (
                f"values from {pixels.min():.6g} to {pixels.max():.6g} were kept; the network got "
                f"{self.black:.6g} to {self.white:.6g} as black to white"
            )


def find_levels(pixels: Array) -> Levels:
    """0 and 1, or the values beyond which only few float pixels lie."""
    if pixels.dtype != np.float32 or (pixels.min() >= 0 and pixels.max() <= 1):
        return Levels()
    low, high = np.quantile(pixels, (RARE, 1 - RARE))
    return Levels(black=min(float(low), 0.0), white=max(float(high), 1.0))
