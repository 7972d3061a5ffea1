"""Upscale an image in blocks and tiles, in bounded memory.

A network's trunk, at LR size, has a receptive field of hundreds of pixels; its tail, at HR size,
one of a few pixels, but needs most of the memory. So the trunk computes the whole image, and the
tail blocks that overlap by its receptive field: this is exact. Only if the trunk's features do not
fit into memory, the image is split into tiles with a padding smaller than the trunk's receptive
field, and the difference of neighboring tiles at their seams is measured.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet

PADDING = 64
"""Maximum of LR pixels around a tile. Less gives visible seams: errors of up to 138 of 255 with
10, the usual number."""
BLOCK_BYTES = 96 * 2**20
"""Memory of the tail for a block; larger blocks are not faster on a CPU."""
BLOCK_BYTES_CUDA = 2**30
MIN_TILE = 32
MARGIN = 1.2
"""Factor of the tensors' memory."""
WHOLE_IMAGE = 0
"""Side of tiles for a single tile."""

Write = Callable[[int, int, Float[Tensor, "1 3 h w"]], None]


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

    def crop(self, image: Tensor, factor: int = 1) -> Tensor:
        """Crop an image that is `factor` times as large as LR."""
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


def tile_padding(network: Generator) -> int:
    """LR pixels around a tile: the receptive field, up to `PADDING`, and one more."""
    fold = network.fold
    return -(-(min(network.trunk_reach + fold * network.tail_reach, PADDING) + 1) // fold) * fold


def is_exact(network: Generator, side: int) -> bool:
    """Whether tiles of this side give the result of the whole image."""
    return side == WHOLE_IMAGE or network.trunk_reach + network.fold * network.tail_reach <= PADDING


def required_memory(network: Generator, height: int, width: int) -> int:
    """Peak memory in bytes for an image or tile of this many LR pixels."""
    kind = next(network.parameters())
    # the image, and the residual stream, which stays in float32
    full = 12 + 4 * 3 * 64 * (kind.element_size() < 4) / network.fold**2
    trunk = height * width * (network.trunk_numbers * kind.element_size() + full)
    block = BLOCK_BYTES_CUDA if kind.device.type == "cuda" else BLOCK_BYTES
    return int(MARGIN * (trunk + block))


def choose_tile_side(network: Generator, height: int, width: int, memory: int) -> int:
    """Side of the largest tiles that fit into `memory` bytes; `WHOLE_IMAGE` if the image fits.

    Raises:
        MemoryError: if the smallest tile does not fit.
    """
    if required_memory(network, height, width) <= memory:
        return WHOLE_IMAGE
    around = 2 * tile_padding(network)
    side = max(height, width)
    while side >= MIN_TILE:
        side = side // 2 // network.fold * network.fold
        padded = min(height, side + around), min(width, side + around)
        if side >= MIN_TILE and required_memory(network, *padded) <= memory:
            return side
    needed = required_memory(network, MIN_TILE + around, MIN_TILE + around)
    raise MemoryError(
        f"{memory / 2**20:.0f} MiB are free, the smallest tile needs {needed / 2**20:.0f}; "
        "end other programs or use a machine with more memory"
    )


@torch.inference_mode()
def upscale_tiled(
    network: Generator,
    lr: Float[Tensor, "1 3 h w"],
    write: Write,
    *,
    side: int = WHOLE_IMAGE,
    semantic_map: Float[Tensor, "1 k ch cw"] | None = None,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Upscale an image and pass on the result block by block.

    Args:
        network: in eval mode, its weights in the precision and layout to compute in.
        lr: in [0, 1], on any device.
        write: called with (row, column, pixels) of the result, which are not clipped.
        side: LR pixels of the tiles, or `WHOLE_IMAGE`.
        semantic_map: the input of SFTNet, at the size of `lr` or of the result.
        on_tile: called with the number of finished tiles, and of all.

    Returns:
        The largest difference of tiles at their seams, as a fraction of white; 0 for one tile.
    """
    scale = network.config.scale
    height, width = lr.shape[-2:]
    whole = Box(0, height, 0, width)
    side = side // network.fold * network.fold or max(height, width)
    tiles = split(whole, side)
    borders: dict[tuple[str, int, int], Tensor] = {}
    difference = 0.0
    for number, tile in enumerate(tiles, start=1):
        padded = tile.grow(tile_padding(network), whole, network.fold)
        features = _TileFeatures(network, lr, semantic_map, padded)
        for box in split(tile, features.block_side):
            write(box.top * scale, box.left * scale, features.upscale(box))
        for name, mine, theirs in _seams(tile, whole):
            if mine is not None:
                other = borders.pop((name, mine.top, mine.left))
                change = float((features.upscale(mine).cpu() - other).abs().max())
                difference = max(difference, change)
            if theirs is not None:
                borders[name, theirs.top, theirs.left] = features.upscale(theirs).cpu()
        on_tile(number, len(tiles))
    return difference


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
        self, network: Generator, lr: Tensor, semantic_map: Tensor | None, box: Box
    ) -> None:
        self.network, self.box = network, box
        weights = next(network.parameters())
        images = box.crop(lr).to(weights.device, memory_format=torch.channels_last)
        if isinstance(network, SFTNet):
            if semantic_map is None:
                raise ValueError("SFTNet needs a semantic map")
            maps = box.crop(semantic_map, semantic_map.shape[-1] // lr.shape[-1]).to(weights.device)
            self.features = network.trunk(images, maps)
        else:
            self.features = network.trunk(images)
        bytes_ = BLOCK_BYTES_CUDA if weights.device.type == "cuda" else BLOCK_BYTES
        pixels = bytes_ / (network.tail_numbers * weights.element_size())
        self.block_side = max(int(pixels**0.5) // network.fold, 8) * network.fold
        if images.shape[-2] * images.shape[-1] <= pixels:
            self.block_side = max(images.shape[-2:])

    def upscale(self, box: Box) -> Tensor:
        """The result of a box inside the padding."""
        fold, scale = self.network.fold, self.network.config.scale
        window = box.grow(self.network.tail_reach * fold, self.box, fold)
        # the last folded feature may extend beyond the border
        top, bottom, left, right = window.relative_to(self.box)
        features = Box(top // fold, -(-bottom // fold), left // fold, -(-right // fold)).crop(
            self.features
        )
        sr = self.network.tail(features.contiguous(memory_format=torch.channels_last))
        return box.relative_to(window).crop(sr, scale).float()
