"""Which patches a step sees: a pure function of (seed, step, position in the batch).

No generator keeps state, so a run that resumes needs only the number of its step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from esrgan_core.data.pairs import PairStore
from esrgan_core.ops import symmetry


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A batch of aligned patches in [0, 1]."""

    lr: Float[Tensor, "b 3 h w"]
    hr: Float[Tensor, "b 3 hh ww"]


class PatchSampler:
    """Draws aligned random crops with one of the eight symmetries, pictures equally often."""

    def __init__(self, store: PairStore, *, patch_size: int, batch_size: int, seed: int) -> None:
        """Open the training pictures of a store.

        Args:
            store: where the pairs are.
            patch_size: HR pixels on a side; a multiple of the scale.
            batch_size: patches per step.
            seed: any whole number.

        Raises:
            ValueError: if there is no picture, one is too small, or the sizes do not divide.
        """
        scale = store.facts.scale
        if patch_size % scale:
            raise ValueError(f"patch_size {patch_size} is no multiple of scale {scale}")
        names = store.names("train")
        if not names:
            raise ValueError(f"{store.root} has no training pictures")
        self.pictures = [(store.hr(name), store.lr(name)) for name in names]
        for name, (hr, _) in zip(names, self.pictures, strict=True):
            if min(hr.shape[:2]) < patch_size:
                raise ValueError(f"{name} is {hr.shape[1]}x{hr.shape[0]}, under {patch_size}")
        self.scale, self.seed = scale, seed
        self.side, self.batch_size = patch_size // scale, batch_size

    def batch(self, step: int) -> Pair:
        """The batch of step number `step`."""
        patches = [self.patch(step, position) for position in range(self.batch_size)]
        return Pair(lr=_stack([lr for lr, _ in patches]), hr=_stack([hr for _, hr in patches]))

    def patch(
        self, step: int, position: int
    ) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, "p p 3"]]:
        """(LR, HR) of one sample of one step."""
        bits = np.random.Philox(key=self.seed, counter=[0, 0, position, step])
        random = np.random.Generator(bits)
        hr, lr = self.pictures[random.integers(len(self.pictures))]
        top = random.integers(lr.shape[0] - self.side + 1)
        left = random.integers(lr.shape[1] - self.side + 1)
        which = int(random.integers(8))

        def cut(pixels: UInt8[np.ndarray, "h w 3"], factor: int) -> UInt8[np.ndarray, "..."]:
            rows = slice(top * factor, (top + self.side) * factor)
            columns = slice(left * factor, (left + self.side) * factor)
            return symmetry(pixels[rows, columns], which)

        return cut(lr, 1), cut(hr, self.scale)


def _stack(patches: list[UInt8[np.ndarray, "s s 3"]]) -> Float[Tensor, "b 3 s s"]:
    # stacked as height x width x channel and then permuted: channels_last, with no copy
    return (
        torch.from_numpy(np.ascontiguousarray(np.stack(patches)))
        .permute(0, 3, 1, 2)
        .float()
        .div_(255)
    )
