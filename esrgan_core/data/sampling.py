"""Which patches a step sees: a pure function of (seed, step, position in the batch).

No generator keeps state, so a run that resumes needs only the number of its step.
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
"""Random numbers of each sample: image, row, column, symmetry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A batch of aligned patches in [0, 1]."""

    lr: Float[Tensor, "b 3 h w"]
    hr: Float[Tensor, "b 3 hh ww"]
    condition: Float[Tensor, "b k ch cw"] | None = None
    """What SFTGAN is told of the patch: how likely each class is at each pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelPair:
    """A batch of aligned patches as they lie on disk."""

    lr: UInt8[Tensor, "b h w 3"]
    hr: UInt8[Tensor, "b hh ww 3"]
    condition: UInt8[Tensor, "b ch cw k"] | None = None

    def pinned(self) -> "PixelPair":
        """The same in memory that a GPU can copy from while the processor goes on."""
        condition = None if self.condition is None else self.condition.pin_memory()
        return PixelPair(lr=self.lr.pin_memory(), hr=self.hr.pin_memory(), condition=condition)

    def on(self, device: torch.device) -> Pair:
        """As images on a device; channels_last, since that is how pixels lie."""
        condition = None if self.condition is None else _as_image(self.condition, device)
        return Pair(
            lr=_as_image(self.lr, device), hr=_as_image(self.hr, device), condition=condition
        )


def _as_image(pixels: UInt8[Tensor, "b h w c"], device: torch.device) -> Float[Tensor, "b c h w"]:
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
        conditions: Mapping[str, UInt8[np.ndarray, "ch cw k"]] | None = None,
    ) -> None:
        """Open the training images of a store.

        Args:
            store: where the pairs are.
            conditions: by name of the image, what is to be seen where, at the size of its LR or
                HR, the same for all.
            patch_size: HR pixels on a side; a multiple of the scale.
            batch_size: patches per step.
            seed: any whole number.

        Raises:
            ValueError: if there is no image, one is too small, or the sizes do not divide.
        """
        scale = store.facts.scale
        if patch_size % scale:
            raise ValueError(f"patch_size {patch_size} is no multiple of scale {scale}")
        names = store.names("train")
        if not names:
            raise ValueError(f"{store.root} has no training images")
        self.images = [(_whole(store.lr(name)), _whole(store.hr(name))) for name in names]
        for name, (_, hr) in zip(names, self.images, strict=True):
            if min(hr.shape) < patch_size:
                raise ValueError(f"{name} is {hr.shape[1]}x{hr.shape[0]}, under {patch_size}")
        self.conditions = [conditions[name] for name in names] if conditions else None
        self.scale, self.seed = scale, seed
        self.side, self.batch_size = patch_size // scale, batch_size

    def batch(self, step: int, share: range | None = None) -> PixelPair:
        """The batch of step number `step`, or the positions `share` of it."""
        positions = range(self.batch_size) if share is None else share
        bits = np.random.Philox(key=self.seed, counter=[0, 0, 0, step])
        draws = bits.random_raw(DRAWS * positions.stop).reshape(-1, DRAWS)[positions.start :]
        lr, hr = _empty(len(positions), self.side), _empty(len(positions), self.side * self.scale)
        conditions = []
        for place, (image, row, column, which) in enumerate(draws.tolist()):
            small, large = self.images[image % len(self.images)]
            # of 2^64 values, so that the remainder favors none
            top = row % (small.shape[0] - self.side + 1)
            left = column % (small.shape[1] - self.side + 1)
            for target, source, factor in ((lr, small, 1), (hr, large, self.scale)):
                side = self.side * factor
                rows = slice(top * factor, top * factor + side)
                columns = slice(left * factor, left * factor + side)
                target[place] = symmetry(source[rows, columns], which % 8)
            if self.conditions is not None:
                seen = self.conditions[image % len(self.images)]
                factor = seen.shape[0] // small.shape[0]
                side = self.side * factor
                rows = slice(top * factor, top * factor + side)
                columns = slice(left * factor, left * factor + side)
                conditions.append(symmetry(seen[rows, columns], which % 8))
        told = torch.from_numpy(np.stack(conditions)) if conditions else None
        return PixelPair(lr=_tensor(lr), hr=_tensor(hr), condition=told)


# a pixel as one item of three bytes: turning and mirroring then moves whole pixels, three times
# as fast as moving their channels
_PIXEL = np.dtype("V3")


def _whole(pixels: UInt8[np.ndarray, "h w 3"]) -> np.ndarray:
    return pixels.view(_PIXEL)[..., 0]


def _empty(count: int, side: int) -> np.ndarray:
    return np.empty((count, side, side), _PIXEL)


def _tensor(patches: np.ndarray) -> UInt8[Tensor, "b h w 3"]:
    return torch.from_numpy(patches.view(np.uint8).reshape(*patches.shape, 3))
