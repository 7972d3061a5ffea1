"""Crops and thumbnails of images, and pixels as data URIs."""

import base64

import numpy as np

from esrgan_core.io.rgb import Pixels, encode_webp, resize_with_pillow


def most_detailed_crop(hr: Pixels, side: int, scale: int) -> tuple[slice, slice]:
    """The square of `side` HR pixels with the most detail, aligned to the LR grid.

    Detail is the mean absolute difference of neighbors, which is low in flat or blurred parts.
    """
    gray = np.asarray(hr).mean(axis=2)
    detail = np.abs(np.diff(gray, axis=0))[:, :-1] + np.abs(np.diff(gray, axis=1))[:-1]
    height, width = gray.shape
    side = min(side, height, width) // scale * scale
    sums = np.pad(detail.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops = np.arange(0, max(height - side, 1), scale)
    lefts = np.arange(0, max(width - side, 1), scale)
    bottoms, rights = np.minimum(tops + side, height - 1), np.minimum(lefts + side, width - 1)
    above, below = sums[tops], sums[bottoms]
    totals = below[:, rights] - above[:, rights] - below[:, lefts] + above[:, lefts]
    row, column = np.unravel_index(totals.argmax(), totals.shape)
    top, left = int(tops[row]), int(lefts[column])
    return slice(top, top + side), slice(left, left + side)


def data_uri(pixels: Pixels, quality: int | None = None) -> str:
    """Pixels as WebP in a data URI; lossless without `quality`, which is at most 100."""
    encoded = encode_webp(np.ascontiguousarray(pixels), quality)
    return f"data:image/webp;base64,{base64.b64encode(encoded).decode('ascii')}"


def thumbnail(hr: Pixels, side: int) -> Pixels:
    """Shrink an image so that no side is longer than `side`."""
    height, width = hr.shape[:2]
    factor = min(side / max(height, width), 1)
    return resize_with_pillow(hr, (max(round(height * factor), 1), max(round(width * factor), 1)))
