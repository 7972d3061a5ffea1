"""The interface of engines."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float

Pixels = Float[np.ndarray, "3 h w"]


class Engine(ABC):
    """A network whose trunk computes at LR size and whose tail enlarges (see `tiling`)."""

    name: str
    scale: int
    fold: int
    """LR pixels a side for each feature of the trunk."""
    trunk_reach: int
    """LR pixels that the trunk sees on each side of a feature."""
    tail_reach: int
    """Features that the tail sees on each side of a pixel."""
    trunk_bytes: float
    """Memory of the trunk for an LR pixel."""
    tail_bytes: float
    """Memory of the tail for an LR pixel."""
    block_bytes: int
    """Memory of the tail for a block; larger blocks are not faster."""

    @abstractmethod
    def trunk(self, lr: Pixels, semantic_map: Float[np.ndarray, "k ch cw"] | None = None) -> Any:
        """Features of pixels in [0, 1], in the engine's own type; (height, width) come last."""

    @abstractmethod
    def tail(self, features: Any) -> Pixels:
        """SR pixels of some of the features, not clipped.

        Raises:
            MemoryError: like `trunk`, if the device has too little memory.
        """

    def free_memory(self) -> int | None:
        """Free bytes of the device; None for the CPU's memory."""
        return None

    def release_memory(self) -> None:  # noqa: B027  nothing to do on most devices
        """Return unused memory to the device."""
