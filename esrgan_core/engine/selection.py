"""Which of a training's networks is handed on: the best that validation saw, by a stated rule."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from esrgan_core.bounds import check_bounds
from esrgan_core.metric_names import LOWER_IS_BETTER
from esrgan_core.metrics import METRICS
from esrgan_core.tensors import describe_not_finite


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectConfig:
    """The rule; the default is that of stage 1, the best PSNR-Y."""

    metric: str = "psnr_y"
    """Validation metric that decides, by name."""
    psnr_y_loss: float | None = None
    """dB of PSNR-Y that the chosen network may be below the training's start; None for no bound."""
    patience: int = 0
    """Validations in a row without a better network that end the training; 0 for none."""

    def __post_init__(self) -> None:
        """Refuse what no validation can decide by."""
        if self.metric not in METRICS:
            raise ValueError(f"no metric {self.metric!r}; there are {sorted(METRICS)}")
        check_bounds(self, "patience", "psnr_y_loss")


class Selection:
    """The best network so far; a part of the training's state, so that resuming is exact.

    A network within the bound is better than one outside; within, the metric decides, outside,
    PSNR-Y does.
    """

    def __init__(self, config: SelectConfig, network: nn.Module) -> None:
        """HealthMonitor `network`, whose weights change between validations."""
        self.config, self.network = config, network
        self.start = float("-inf")
        self.step = self.waited = 0
        self.key = [float("-inf"), float("-inf")]
        self.weights: dict[str, Tensor] = {}

    def begin(self, values: Mapping[str, float]) -> None:
        """Take the validation before the first step, which the bound counts from."""
        self.start = values["psnr_y"]

    def consider(self, step: int, values: Mapping[str, float]) -> None:
        """Take the validation after `step`; a network that is better is kept.

        Never one whose weights are not finite, or whose results had no PSNR-Y.
        """
        key, state = self._key(values), self.network.state_dict()
        # the weights are looked at last, since that waits for the device
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
    def within_bound(self) -> bool:
        """Whether the chosen network keeps to the bound."""
        return self.key[0] > 0

    @property
    def exhausted(self) -> bool:
        """Whether the training has waited for a better network as long as it may."""
        return 0 < self.config.patience <= self.waited

    def state_dict(self) -> dict[str, Any]:
        """Everything that must survive."""
        return {
            "start": self.start,
            "step": self.step,
            "waited": self.waited,
            "key": self.key,
            "weights": self.weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.start, self.step, self.waited = state["start"], state["step"], state["waited"]
        self.key, self.weights = state["key"], state["weights"]
