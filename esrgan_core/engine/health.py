"""Warnings that a training goes wrong, from its validations and reports.

A warning stops nothing; it gives the evidence.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from esrgan_core.engine.evaluation import Pixels
from esrgan_core.tensors import rgb_to_y, to_tensor

MAX_PSNR_Y_LOSS = 6.0
"""dB below the start; a perceptual training loses about 2.5."""
MAX_COLOR_DRIFT = 6.0
"""Levels of 255 of a channel's mean, more than at the start."""
MAX_DETAIL = 2.5
"""Energy of fine detail over that of HR; PSNR-oriented networks have less than 1."""
MIN_DETAIL = 0.25
"""Energy of fine detail over that at the start."""
MAX_LOGIT_GAP = 40.0
"""Between the mean logits of real and fake; beyond it, the generator learns little."""
MAX_SKIPPED = 0.1
"""Fraction of the steps between two reports."""


def _fine_detail(image: Float[Tensor, "b 3 h w"]) -> float:
    """Energy of luma structure finer than three pixels."""
    luma = rgb_to_y(image)
    return float((luma[..., 1:-1, 1:-1] - avg_pool2d(luma, 3, stride=1)).square().mean())


def appearance(pairs: Sequence[tuple[Pixels, Pixels]]) -> dict[str, float]:
    """Differences of (SR, HR) images that PSNR hides.

    Returns:
        `color_drift`, the largest difference of a channel's mean, in levels of 255, and
        `detail_ratio`, the energy of fine detail of SR over that of HR; means over
        images, NaN without images.
    """
    drifts, ratios = [], []
    for pair in pairs:
        sr, hr = (to_tensor(np.asarray(pixels)) for pixels in pair)
        drifts.append(float((sr - hr).mean((0, 2, 3)).abs().max()) * 255)
        ratios.append(_fine_detail(sr) / max(_fine_detail(hr), 1e-12))
    return {
        "color_drift": float(torch.tensor(drifts).mean()),
        "detail_ratio": float(torch.tensor(ratios).mean()),
    }


def health_warnings(
    values: Mapping[str, float], start: Mapping[str, float], *, report_every: int
) -> dict[str, str]:
    """The evidence of each warning, by the warning's name.

    Args:
        values: the latest validation (`val/...`) and the latest report's terms.
        start: the validation before the first step.
        report_every: steps between reports, which count skipped steps.
    """
    psnr, start_psnr = values["val/psnr_y"], start["val/psnr_y"]
    drift, start_drift = values["val/color_drift"], start["val/color_drift"]
    ratio, start_ratio = values["val/detail_ratio"], start["val/detail_ratio"]
    gap, skipped = values.get("d/gap", 0.0), values.get("skipped", 0.0)
    # NaN must warn, hence `not ... <=`
    warnings = {
        "psnr_drop": (
            not psnr >= start_psnr - MAX_PSNR_Y_LOSS,
            f"val/psnr_y {psnr:.2f} dB, {start_psnr:.2f} at the start",
        ),
        "color_shift": (
            not drift <= start_drift + MAX_COLOR_DRIFT,
            f"val/color_drift {drift:.1f} of 255, {start_drift:.1f} at the start",
        ),
        "artifacts": (
            not ratio <= max(MAX_DETAIL, start_ratio * MAX_DETAIL),
            f"val/detail_ratio {ratio:.2f}: the energy of fine detail over that of HR",
        ),
        # a network that starts from noise must lose detail
        "blank": (
            ratio < MIN_DETAIL * start_ratio and start_ratio <= 1,
            f"val/detail_ratio {ratio:.3f}, {start_ratio:.3f} at the start",
        ),
        "discriminator_wins": (
            abs(gap) > MAX_LOGIT_GAP,
            f"d/gap {gap:.1f} between the mean logits of real and fake",
        ),
        "not_finite": (
            skipped > MAX_SKIPPED * report_every,
            f"{skipped:.0f} of the last {report_every} steps were skipped",
        ),
        "no_gradient": (
            values.get("g/gradient", 1.0) == 0,
            "g/gradient 0: the generator no longer learns",
        ),
    }
    return {name: evidence for name, (is_bad, evidence) in warnings.items() if is_bad}


class HealthMonitor:
    """The first validation and the warnings since; a part of the training's state."""

    def __init__(self, report_every: int) -> None:
        self.report_every = report_every
        self.start: dict[str, float] = {}
        self.warnings: list[dict[str, Any]] = []

    def check(self, step: int, values: Mapping[str, float]) -> dict[str, str]:
        """Record the warnings after the validation of `step`; return the new ones."""
        if not self.start:
            self.start = {name: v for name, v in values.items() if name.startswith("val/")}
            return {}
        found = health_warnings(values, self.start, report_every=self.report_every)
        known = {warning["name"] for warning in self.warnings}
        new = {name: evidence for name, evidence in found.items() if name not in known}
        self.warnings += [{"step": step, "name": n, "evidence": e} for n, e in new.items()]
        return new

    def state_dict(self) -> dict[str, Any]:
        """The state to save; names on disk do not change."""
        return {"start": self.start, "alarms": self.warnings}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.start, self.warnings = dict(state["start"]), list(state["alarms"])
