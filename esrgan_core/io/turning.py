"""EXIF's orientations."""

import numpy as np

from esrgan_core.io.decoded import Array

TURNED = (5, 6, 7, 8)
"""Orientations that exchange height and width."""


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels as EXIF's orientation (1 to 8) wants them shown."""
    if orientation in TURNED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
