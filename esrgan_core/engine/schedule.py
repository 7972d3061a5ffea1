"""The learning rate as a function of the step, without state."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from esrgan_core.bounds import check_bounds, check_positive


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Steps at milestones, or half a cosine down to a floor; both after a linear warm-up."""

    kind: Literal["multistep", "cosine"] = "multistep"
    milestones: tuple[int, ...] = ()
    """multistep: steps after which gamma multiplies the rate."""
    gamma: float = 0.5
    floor: float = 0.0
    """cosine: fraction of the rate at the last step."""
    warmup: int = 0
    """Steps over which the rate rises from zero."""

    def __post_init__(self) -> None:
        check_positive(self, "gamma")
        check_bounds(self, "floor", "warmup")
        if self.floor > 1:
            raise ValueError(f"floor must be at most 1, got {self.floor}")
        check_bounds(self, "milestones", least=1)
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, got {list(self.milestones)}")
        if self.milestones and self.kind == "cosine":
            raise ValueError(
                f"milestones have no effect on kind cosine, got {list(self.milestones)}; "
                "set them to [], or kind to multistep"
            )

    def factor(self, step: int, steps: int) -> float:
        """Factor of the rate at `step` (from 1) of `steps`.

        >>> Schedule(milestones=(10, 20)).factor(11, 100)
        0.5
        """
        if step <= self.warmup:
            return step / self.warmup
        if self.kind == "multistep":
            # a milestone counts completed steps, so step 11 is the first after milestone 10
            return float(self.gamma ** bisect_right(self.milestones, step - 1))
        done = (step - self.warmup) / max(steps - self.warmup, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(done, 1))) / 2
