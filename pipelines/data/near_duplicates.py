"""Images that show the same: equal bytes, or the same again in another size or compression.

Candidates are found by a perceptual hash in all eight orientations and confirmed by the
correlation of thumbnails. On some ninety photographs the nearest two different ones correlate at
0.41; a copy by JPEG of quality 25, at half the size, brighter by a third or with noise at 0.95 or
more, one that lost 2 % at each edge mostly at 0.8 or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esrgan_core.io.inspection import THUMBNAIL
from esrgan_core.io.rgb import gray_image

FARTHEST = 14
"""Bits of 64 that the hashes of candidates may differ in."""
LEAST_CORRELATION = 0.8
RANK = {"test": 0, "val": 1, "train": 2}
"""Of two that show the same, the one of the higher rank goes: a test set stays as published."""
Thumbnail = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicate:
    """Two rows that show the same; `extra` is the one to leave out."""

    extra: int
    kept: int
    equal: bool
    """Whether they are the same byte for byte."""


def find_duplicates(frame: pd.DataFrame) -> list[Duplicate]:
    """Every two images that show the same.

    Args:
        frame: columns path, split, sha256, thumbnail; a row for each image.
    """
    order = {
        row: (RANK[split], path)
        for row, (split, path) in enumerate(zip(frame["split"], frame["path"], strict=True))
    }
    sha256 = list(frame["sha256"])
    found = []
    for one, other in _alike([_unpacked(content) for content in frame["thumbnail"]]):
        kept, extra = sorted((one, other), key=order.__getitem__)
        found.append(Duplicate(extra=extra, kept=kept, equal=sha256[one] == sha256[other]))
    return found


def _unpacked(content: bytes) -> Thumbnail:
    return np.frombuffer(content, dtype=np.uint8).reshape(THUMBNAIL, THUMBNAIL)


def _alike(thumbnails: list[Thumbnail]) -> Iterator[tuple[int, int]]:
    """Pairs of indices, the smaller one first."""
    # a blank image's hash is noise, and all blank ones are alike: that is said elsewhere
    telling = [index for index, image in enumerate(thumbnails) if image.std() >= 1]
    turned = [[_hash(way) for way in _orientations(thumbnails[index])] for index in telling]
    hashes = np.array(turned, dtype=np.uint64).reshape(len(telling), 8)
    upright = _normalized([thumbnails[index] for index in telling])
    for position, index in enumerate(telling):
        rest = hashes[position + 1 :, :1]
        distance = np.bitwise_count(rest ^ hashes[position][None])
        near = distance <= FARTHEST
        candidates = np.nonzero(near.any(axis=1))[0]
        ways = _normalized(_orientations(thumbnails[index]))
        correlation = upright[position + 1 + candidates] @ ways.T
        alike = (near[candidates] & (correlation >= LEAST_CORRELATION)).any(axis=1)
        for later in candidates[alike]:
            yield index, telling[position + 1 + int(later)]


def _orientations(image: Thumbnail) -> list[Thumbnail]:
    return [np.rot90(way, turns) for way in (image, image.T) for turns in range(4)]


def _hash(image: Thumbnail) -> int:
    bits = imagehash.phash(gray_image(np.ascontiguousarray(image))).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _normalized(images: list[Thumbnail]) -> NDArray[np.float32]:
    """A row for each image, by whose products they correlate."""
    rows = np.array([image.ravel() for image in images], dtype=np.float32)
    rows = rows.reshape(len(images), THUMBNAIL * THUMBNAIL)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
