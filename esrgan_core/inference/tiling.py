"""Upscale an image in blocks and tiles, in bounded memory.

A network's trunk, at LR size, has a receptive field of hundreds of pixels; its tail, at HR size,
one of a few pixels, but needs most of the memory. So the trunk computes the whole image, and the
tail blocks that overlap by its receptive field: this is exact. Only if the trunk's features do not
fit into memory, the image is split into tiles with a padding smaller than the trunk's receptive
field, and the difference of neighboring tiles at their seams is measured.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from esrgan_core.inference.engines.engine import Engine, Pixels

PADDING = 64
"""Maximum of LR pixels around a tile. Less gives visible seams: errors of up to 138 of 255 with
10, the usual number."""
MIN_TILE = 32
MARGIN = 1.2
"""Factor of the arrays' memory."""
WHOLE_IMAGE = 0
"""Side of tiles for a single tile."""

Write = Callable[[int, int, Pixels], None]


class Box(NamedTuple):
    """Rows and columns of LR pixels, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grow(self, by: int, within: "Box", fold: int = 1) -> "Box":
        """Extend each side by `by` inside of `within`; top and left are multiples of `fold`."""
        return Box(
            max(self.top - by, within.top) // fold * fold,
            min(self.bottom + by, within.bottom),
            max(self.left - by, within.left) // fold * fold,
            min(self.right + by, within.right),
        )

    def crop(self, image: Any, factor: int = 1) -> Any:
        """Crop an array or tensor that is `factor` times as large as LR."""
        rows = slice(self.top * factor, self.bottom * factor)
        return image[..., rows, self.left * factor : self.right * factor]

    def relative_to(self, other: "Box") -> "Box":
        """The same box in coordinates from the corner of `other`."""
        top, left = other.top, other.left
        return Box(self.top - top, self.bottom - top, self.left - left, self.right - left)


def split(whole: Box, side: int) -> list[Box]:
    """Split `whole` into boxes of at most `side` pixels a side, row by row."""
    return [
        Box(top, min(top + side, whole.bottom), left, min(left + side, whole.right))
        for top in range(whole.top, whole.bottom, side)
        for left in range(whole.left, whole.right, side)
    ]


def tile_padding(engine: Engine) -> int:
    """LR pixels around a tile: the receptive field, up to `PADDING`, and one more."""
    fold = engine.fold
    return -(-(min(engine.trunk_reach + fold * engine.tail_reach, PADDING) + 1) // fold) * fold


def is_exact(engine: Engine, side: int) -> bool:
    """Whether tiles of this side give the result of the whole image."""
    return side == WHOLE_IMAGE or engine.trunk_reach + engine.fold * engine.tail_reach <= PADDING


def required_memory(engine: Engine, height: int, width: int) -> int:
    """Peak memory in bytes for an image or tile of this many LR pixels."""
    return int(MARGIN * (height * width * engine.trunk_bytes + engine.block_bytes))


def choose_tile_side(engine: Engine, height: int, width: int, memory: int) -> int:
    """Side of the largest tiles that fit into `memory` bytes; `WHOLE_IMAGE` if the image fits.

    Raises:
        MemoryError: if the smallest tile does not fit.
    """
    if required_memory(engine, height, width) <= memory:
        return WHOLE_IMAGE
    around = 2 * tile_padding(engine)
    side = max(height, width)
    while side >= MIN_TILE:
        side = side // 2 // engine.fold * engine.fold
        padded = min(height, side + around), min(width, side + around)
        if side >= MIN_TILE and required_memory(engine, *padded) <= memory:
            return side
    needed = required_memory(engine, MIN_TILE + around, MIN_TILE + around)
    raise MemoryError(
        f"{memory / 2**20:.0f} MiB are free, the smallest tile needs {needed / 2**20:.0f}; "
        "end other programs or use a machine with more memory"
    )


def upscale_tiled(
    engine: Engine,
    lr: Pixels,
    write: Write,
    *,
    side: int = WHOLE_IMAGE,
    semantic_map: Float[np.ndarray, "k ch cw"] | None = None,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Upscale an image and pass on the result block by block.

    Args:
        engine: the network.
        lr: in [0, 1].
        write: called with (row, column, pixels) of the result, which are not clipped.
        side: LR pixels of the tiles, or `WHOLE_IMAGE`.
        semantic_map: the input of SFTNet, at the size of `lr` or of the result.
        on_tile: called with the number of finished tiles, and of all.

    Returns:
        The largest difference of tiles at their seams, as a fraction of white; 0 for one tile.
    """
    scale = engine.scale
    height, width = lr.shape[-2:]
    whole = Box(0, height, 0, width)
    side = side // engine.fold * engine.fold or max(height, width)
    tiles = split(whole, side)
    borders: dict[tuple[str, int, int], Pixels] = {}
    difference = 0.0
    for number, tile in enumerate(tiles, start=1):
        padded = tile.grow(tile_padding(engine), whole, engine.fold)
        features = _TileFeatures(engine, lr, semantic_map, padded)
        for box in split(tile, features.block_side):
            write(box.top * scale, box.left * scale, features.upscale(box))
        for name, mine, theirs in _seams(tile, whole):
            if mine is not None:
                other = borders.pop((name, mine.top, mine.left))
                change = float(np.abs(features.upscale(mine) - other).max())
                difference = max(difference, change)
            if theirs is not None:
                borders[name, theirs.top, theirs.left] = features.upscale(theirs)
        on_tile(number, len(tiles))
    return difference


def upscale_values(engine: Engine, lr: Pixels) -> Float[np.ndarray, "hh ww 3"]:
    """The result of an image that fits into memory, not clipped."""
    scale = engine.scale
    values = np.empty((lr.shape[-2] * scale, lr.shape[-1] * scale, 3), dtype=np.float32)

    def write(top: int, left: int, sr: Pixels) -> None:
        block = sr.transpose(1, 2, 0)
        values[top : top + block.shape[0], left : left + block.shape[1]] = block

    upscale_tiled(engine, lr, write)
    return values


def _seams(tile: Box, whole: Box) -> list[tuple[str, Box | None, Box | None]]:
    """(direction, own first pixels behind a seam, the next tile's) in both directions."""

    def column(left: int) -> Box:
        return tile._replace(left=left, right=left + 1)

    def row(top: int) -> Box:
        return tile._replace(top=top, bottom=top + 1)

    return [
        (
            "across",
            column(tile.left) if tile.left > whole.left else None,
            column(tile.right) if tile.right < whole.right else None,
        ),
        (
            "down",
            row(tile.top) if tile.top > whole.top else None,
            row(tile.bottom) if tile.bottom < whole.bottom else None,
        ),
    ]


class _TileFeatures:
    """Trunk features of a padded tile, and the result of any box inside."""

    def __init__(
        self, engine: Engine, lr: Pixels, semantic_map: np.ndarray | None, box: Box
    ) -> None:
        self.engine, self.box = engine, box
        if semantic_map is not None:
            semantic_map = box.crop(semantic_map, semantic_map.shape[-1] // lr.shape[-1])
        images = box.crop(lr)
        self.features = engine.trunk(images, semantic_map)
        pixels = engine.block_bytes / engine.tail_bytes
        self.block_side = max(int(pixels**0.5) // engine.fold, 8) * engine.fold
        if images.shape[-2] * images.shape[-1] <= pixels:
            self.block_side = max(images.shape[-2:])

    def upscale(self, box: Box) -> Pixels:
        """The result of a box inside the padding."""
        fold, scale = self.engine.fold, self.engine.scale
        window = box.grow(self.engine.tail_reach * fold, self.box, fold)
        # the last folded feature may extend beyond the border
        top, bottom, left, right = window.relative_to(self.box)
        features = Box(top // fold, -(-bottom // fold), left // fold, -(-right // fold))
        sr = self.engine.tail(features.crop(self.features))
        pixels: Pixels = box.relative_to(window).crop(sr, scale)
        return pixels
