"""Which patches a step uses: a pure function of (seed, step, position in the batch).

There is no generator state, so a resumed training needs only the number of its step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from esrgan_core.data.pairs import PairStore
from esrgan_core.io.geometry import symmetry

DRAWS = 4
"""Random numbers of each patch: image, row, column, symmetry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A batch of aligned patches in [0, 1]."""

    lr: Float[Tensor, "b 3 h w"]
    hr: Float[Tensor, "b 3 hh ww"]
    semantic_map: Float[Tensor, "b k ch cw"] | None = None
    """SFTGAN's input: the probability of each class at each pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelPair:
    """A batch of aligned patches in the layout of the files."""

    lr: UInt8[Tensor, "b h w 3"]
    hr: UInt8[Tensor, "b hh ww 3"]
    semantic_map: UInt8[Tensor, "b ch cw k"] | None = None

    def pin_memory(self) -> "PixelPair":
        """A copy in pinned memory, from which a GPU copies asynchronously."""
        maps = None if self.semantic_map is None else self.semantic_map.pin_memory()
        return PixelPair(lr=self.lr.pin_memory(), hr=self.hr.pin_memory(), semantic_map=maps)

    def to(self, device: torch.device) -> Pair:
        """As images on a device; channels_last, since that is the layout of the pixels."""
        maps = None if self.semantic_map is None else _to_images(self.semantic_map, device)
        return Pair(
            lr=_to_images(self.lr, device), hr=_to_images(self.hr, device), semantic_map=maps
        )


def _to_images(pixels: UInt8[Tensor, "b h w c"], device: torch.device) -> Float[Tensor, "b c h w"]:
    return pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)


class PatchSampler:
    """Draws aligned random crops with one of the eight symmetries, images equally often."""

    def __init__(
        self,
        store: PairStore,
        *,
        patch_size: int,
        batch_size: int,
        seed: int,
        semantic_maps: Mapping[str, UInt8[np.ndarray, "ch cw k"]] | None = None,
    ) -> None:
        """Open the training images of a store.

        Args:
            store: the pairs.
            patch_size: HR pixels a side; a multiple of the scale.
            batch_size: patches per step.
            seed: any whole number.
            semantic_maps: by name of the image; all of LR's size, or all of HR's.

        Raises:
            ValueError: if there is no image, one is too small, or the sizes do not divide.
        """
        scale = store.facts.scale
        if patch_size % scale:
            raise ValueError(f"patch_size {patch_size} is not a multiple of scale {scale}")
        names = store.names("train")
        if not names:
            raise ValueError(f"{store.root} has no training images")
        self.images = [(_as_items(store.lr(name)), _as_items(store.hr(name))) for name in names]
        for name, (_, hr) in zip(names, self.images, strict=True):
            if min(hr.shape) < patch_size:
                raise ValueError(f"{name} is {hr.shape[1]}x{hr.shape[0]}, under {patch_size}")
        self.semantic_maps = [semantic_maps[name] for name in names] if semantic_maps else None
        self.scale, self.seed = scale, seed
        self.side, self.batch_size = patch_size // scale, batch_size

    def batch(self, step: int, positions: range | None = None) -> PixelPair:
        """The batch of a step, or only these positions of it."""
        positions = range(self.batch_size) if positions is None else positions
        bits = np.random.Philox(key=self.seed, counter=[0, 0, 0, step])
        draws = bits.random_raw(DRAWS * positions.stop).reshape(-1, DRAWS)[positions.start :]
        lr, hr = _empty(len(positions), self.side), _empty(len(positions), self.side * self.scale)
        maps = []
        for place, (image, row, column, which) in enumerate(draws.tolist()):
            index = image % len(self.images)
            small, large = self.images[index]
            # of 2^64 values, so the bias of the remainder is negligible
            top = row % (small.shape[0] - self.side + 1)
            left = column % (small.shape[1] - self.side + 1)
            lr[place] = self._crop(small, top, left, which, 1)
            hr[place] = self._crop(large, top, left, which, self.scale)
            if self.semantic_maps is not None:
                whole = self.semantic_maps[index]
                factor = whole.shape[0] // small.shape[0]
                maps.append(self._crop(whole, top, left, which, factor))
        semantic_map = torch.from_numpy(np.stack(maps)) if maps else None
        return PixelPair(lr=_to_tensor(lr), hr=_to_tensor(hr), semantic_map=semantic_map)

    def _crop(self, image: np.ndarray, top: int, left: int, which: int, factor: int) -> np.ndarray:
        side = self.side * factor
        top, left = top * factor, left * factor
        return symmetry(image[top : top + side, left : left + side], which % 8)


# a pixel as one item of three bytes: flips and transpositions then move whole pixels, which is
# three times as fast
_PIXEL = np.dtype("V3")


def _as_items(pixels: UInt8[np.ndarray, "h w 3"]) -> np.ndarray:
    return pixels.view(_PIXEL)[..., 0]


def _empty(count: int, side: int) -> np.ndarray:
    return np.empty((count, side, side), _PIXEL)


def _to_tensor(patches: np.ndarray) -> UInt8[Tensor, "b h w 3"]:
    return torch.from_numpy(patches.view(np.uint8).reshape(*patches.shape, 3))
