"""An image through a network in parts: exact in bounded memory, then nearly so at any size.

What a network does at LR size, its trunk, sees hundreds of pixels to each side; what it does at HR
size, its tail, sees a few, and needs nearly all of the memory. So the trunk takes the whole
image, and the tail follows in blocks that overlap by what it sees: that is exact. Only where the
trunk's features do not fit either is the image cut into tiles with a padding, less than the trunk
sees, and how far they are apart at their seams is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet

PADDING = 64
"""LR pixels around a tile, where the trunk sees farther. Less leaves visible seams: with 10, the
usual number, they err by up to 138 of 255."""
BLOCK_BYTES = 96 * 2**20
"""That the tail needs for a block; larger ones gain nothing on a CPU."""
BLOCK_BYTES_CUDA = 2**30
SMALLEST_TILE = 32
MARGIN = 1.2
"""Of memory, over what the tensors alone need."""
WHOLE_IMAGE = 0
"""As the side of tiles: a single one."""

Write = Callable[[int, int, Float[Tensor, "1 3 h w"]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """Rows and columns of LR pixels, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, by: int, within: "Box", fold: int = 1) -> "Box":
        """`by` more to each side as far as there is something, from a multiple of `fold` on."""
        return Box(
            top=max(self.top - by, within.top) // fold * fold,
            bottom=min(self.bottom + by, within.bottom),
            left=max(self.left - by, within.left) // fold * fold,
            right=min(self.right + by, within.right),
        )

    def cut(self, image: Tensor, factor: int = 1) -> Tensor:
        """This part of an image that is `factor` times as large as LR."""
        rows = slice(self.top * factor, self.bottom * factor)
        return image[..., rows, self.left * factor : self.right * factor]

    def within(self, other: "Box") -> "Box":
        """The same in coordinates that begin at the corner of `other`."""
        return Box(
            top=self.top - other.top,
            bottom=self.bottom - other.top,
            left=self.left - other.left,
            right=self.right - other.left,
        )


def boxes(whole: Box, side: int) -> list[Box]:
    """`whole` in parts of at most `side` pixels a side, row by row."""
    return [
        Box(
            top=top,
            bottom=min(top + side, whole.bottom),
            left=left,
            right=min(left + side, whole.right),
        )
        for top in range(whole.top, whole.bottom, side)
        for left in range(whole.left, whole.right, side)
    ]


def tile_padding(network: Generator) -> int:
    """LR pixels around a tile: all that the network sees, up to `PADDING`, and one more."""
    fold = network.fold
    return -(-(min(network.trunk_reach + fold * network.tail_reach, PADDING) + 1) // fold) * fold


def is_exact(network: Generator, side: int) -> bool:
    """Whether tiles of this side give the same as the whole image."""
    return side == WHOLE_IMAGE or network.trunk_reach + network.fold * network.tail_reach <= PADDING


def required_memory(network: Generator, height: int, width: int) -> int:
    """Memory that an image or tile of this many LR pixels needs at its peak."""
    kind = next(network.parameters())
    # the image itself, and the residual stream, which stays in full precision
    full = 12 + 4 * 3 * 64 * (kind.element_size() < 4) / network.fold**2
    trunk = height * width * (network.trunk_numbers * kind.element_size() + full)
    block = BLOCK_BYTES_CUDA if kind.device.type == "cuda" else BLOCK_BYTES
    return int(MARGIN * (trunk + block))


def choose_tile_side(network: Generator, height: int, width: int, memory: int) -> int:
    """Side of the largest tiles that `memory` bytes suffice for; `WHOLE` if the image fits.

    Raises:
        MemoryError: if not even the smallest fits.
    """
    if required_memory(network, height, width) <= memory:
        return WHOLE_IMAGE
    around = 2 * tile_padding(network)
    side = max(height, width)
    while side >= SMALLEST_TILE:
        side = side // 2 // network.fold * network.fold
        padded = min(height, side + around), min(width, side + around)
        if side >= SMALLEST_TILE and required_memory(network, *padded) <= memory:
            return side
    needed = required_memory(network, SMALLEST_TILE + around, SMALLEST_TILE + around)
    raise MemoryError(
        f"{memory / 2**20:.0f} MiB are free, the smallest tile needs {needed / 2**20:.0f}; "
        "end other programs or take a machine with more memory"
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
    """Upscale an image and hand over the result block by block.

    Args:
        network: in eval mode, its weights in the precision and layout to compute in.
        lr: in [0, 1], anywhere; parts go to the network's device.
        write: takes (row, column, pixels) of the result, which are not clipped.
        side: LR pixels of the trunk's tiles, or `WHOLE`.
        semantic_map: the input of SFTNet, at the size of `lr` or of the result.
        on_tile: told how many tiles are done, and of how many.

    Returns:
        How far tiles are apart at their seams at most, as a share of white; 0 for a whole image.
    """
    height, width = lr.shape[-2:]
    whole = Box(top=0, bottom=height, left=0, right=width)
    side = side // network.fold * network.fold or max(height, width)
    tiles = boxes(whole, side)
    borders: dict[tuple[str, int, int], Tensor] = {}
    apart = 0.0
    for number, tile in enumerate(tiles, start=1):
        part = _Part(
            network, lr, semantic_map, tile.grown(tile_padding(network), whole, network.fold)
        )
        for box in boxes(tile, part.block_side):
            write(box.top * network.config.scale, box.left * network.config.scale, part.sr(box))
        for name, mine, theirs in _seams(tile, whole):
            if mine is not None:
                said = borders.pop((name, mine.top, mine.left))
                apart = max(apart, float((part.sr(mine).cpu() - said).abs().max()))
            if theirs is not None:
                borders[name, theirs.top, theirs.left] = part.sr(theirs).cpu()
        on_tile(number, len(tiles))
    return apart


def _seams(tile: Box, whole: Box) -> list[tuple[str, Box | None, Box | None]]:
    """(name, own first pixels beyond a seam, the neighbor's first ones) in both directions."""
    return [
        (
            "across",
            Box(top=tile.top, bottom=tile.bottom, left=tile.left, right=tile.left + 1)
            if tile.left > whole.left
            else None,
            Box(top=tile.top, bottom=tile.bottom, left=tile.right, right=tile.right + 1)
            if tile.right < whole.right
            else None,
        ),
        (
            "down",
            Box(top=tile.top, bottom=tile.top + 1, left=tile.left, right=tile.right)
            if tile.top > whole.top
            else None,
            Box(top=tile.bottom, bottom=tile.bottom + 1, left=tile.left, right=tile.right)
            if tile.bottom < whole.bottom
            else None,
        ),
    ]


class _Part:
    """Features of a part of the image, and the result of any box within it."""

    def __init__(
        self, network: Generator, lr: Tensor, semantic_map: Tensor | None, place: Box
    ) -> None:
        self.network, self.place = network, place
        weights = next(network.parameters())
        images = place.cut(lr).to(weights.device, memory_format=torch.channels_last)
        if isinstance(network, SFTNet):
            if semantic_map is None:
                raise ValueError("SFTNet needs a semantic map")
            maps = place.cut(semantic_map, semantic_map.shape[-1] // lr.shape[-1]).to(
                weights.device
            )
            self.features = network.trunk(images, maps)
        else:
            self.features = network.trunk(images)
        bytes_ = BLOCK_BYTES_CUDA if weights.device.type == "cuda" else BLOCK_BYTES
        pixels = bytes_ / (network.tail_numbers * weights.element_size())
        self.block_side = max(int(pixels**0.5) // network.fold, 8) * network.fold
        if images.shape[-2] * images.shape[-1] <= pixels:
            self.block_side = max(images.shape[-2:])

    def sr(self, box: Box) -> Tensor:
        """The result for a box of the image, which is within reach of this part's middle."""
        fold, scale = self.network.fold, self.network.config.scale
        window = box.grown(self.network.tail_reach * fold, self.place, fold)
        # a folded feature stands for pixels beyond an uneven border, too
        features = Box(
            top=(window.top - self.place.top) // fold,
            bottom=-(-(window.bottom - self.place.top) // fold),
            left=(window.left - self.place.left) // fold,
            right=-(-(window.right - self.place.left) // fold),
        ).cut(self.features)
        sr = self.network.tail(features.contiguous(memory_format=torch.channels_last))
        return box.within(window).cut(sr, scale).float()
