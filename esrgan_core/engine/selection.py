"""Selection of a training's best network by its validations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from esrgan_core.bounds import check_bounds
from esrgan_core.metric_names import LOWER_IS_BETTER
from esrgan_core.metrics import METRICS
from esrgan_core.tensors import describe_not_finite

SAVED = ("start", "step", "waited", "key", "weights")
"""Attributes in a saved state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectConfig:
    """The rule; the default is that of stage 1, the best PSNR-Y."""

    metric: str = "psnr_y"
    """Name of the validation metric that decides."""
    psnr_y_loss: float | None = None
    """Allowed loss of PSNR-Y in dB since the start of training; None for no bound."""
    patience: int = 0
    """Validations without a better network that end the training; 0 to disable."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"no metric {self.metric!r}; there are {sorted(METRICS)}")
        check_bounds(self, "patience", "psnr_y_loss")


class Selection:
    """The best network so far; a part of the training's state.

    A network within the bound is better than one outside; among those within, the metric decides,
    among others PSNR-Y.
    """

    def __init__(self, config: SelectConfig, network: nn.Module) -> None:
        self.config, self.network = config, network
        self.start = float("-inf")
        self.step = self.waited = 0
        self.key = [float("-inf"), float("-inf")]
        self.weights: dict[str, Tensor] = {}

    def begin(self, values: Mapping[str, float]) -> None:
        """Take the validation before the first step, the reference of the bound."""
        self.start = values["psnr_y"]

    def consider(self, step: int, values: Mapping[str, float]) -> None:
        """Take the validation after `step`; keep the network if it is better.

        Networks with weights that are not finite, or without PSNR-Y, are never kept.
        """
        key, state = self._key(values), self.network.state_dict()
        # the weights last, since checking them waits for the device
        if math.isnan(values["psnr_y"]) or key <= self.key or describe_not_finite(state):
            self.waited += 1
            return
        self.key, self.step, self.waited = key, step, 0
        self.weights = {name: value.clone() for name, value in state.items()}

    def _key(self, values: Mapping[str, float]) -> list[float]:
        bound = self.config.psnr_y_loss
        if bound is not None and not values["psnr_y"] >= self.start - bound:
            return [0.0, values["psnr_y"]]
        value = values[self.config.metric]
        if math.isnan(value):
            return [1.0, float("-inf")]
        return [1.0, -value if self.config.metric in LOWER_IS_BETTER else value]

    @property
    def is_within_bound(self) -> bool:
        """Whether the selected network is within the bound."""
        return self.key[0] > 0

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` validations had no better network."""
        return 0 < self.config.patience <= self.waited

    def state_dict(self) -> dict[str, Any]:
        """The state to save."""
        return {name: getattr(self, name) for name in SAVED}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        for name in SAVED:
            setattr(self, name, state[name])
