"""Alpha of TGA, which many programs write although there is none."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

Values = UInt8[np.ndarray, "..."]
DEPTH, DESCRIPTOR = 16, 17
"""Offsets of the bits of a pixel, and of the byte whose lower half is the bits of its alpha."""


def correct_alpha(values: Values, source: Path | BytesIO) -> tuple[Values, list[str]]:
    """(values, changes) of Pillow's image; the alpha of 16 bits a pixel is inverted by Pillow.

    Alpha that the header denies is left out of 16 bits a pixel, and of others if it hides all.
    """
    if values.ndim == 2 or values.shape[2] not in (2, 4):
        return values, []
    header = _head(source)
    is_16, denied = header[DEPTH] == 16 and values.shape[2] == 4, not header[DESCRIPTOR] & 0xF
    if is_16:
        values = np.dstack([values[..., :-1], 255 - values[..., -1]])
    if denied and (is_16 or not values[..., -1].any()):
        return values[..., :-1], [] if is_16 else ["an alpha of 0 everywhere was left out"]
    return values, []


def _head(source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:18]
    with source.open("rb") as file:
        return file.read(18)
