"""Signs that a training goes wrong, from what its validations and reports say.

An alarm stops nothing; it names the evidence, so that one need not read curves to notice.
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

PSNR_Y_LOSS = 6.0
"""dB below the start's; a perceptual training loses about 2.5."""
COLOR_DRIFT = 6.0
"""Levels of 255 that a channel's mean may be off beyond the start's."""
DETAIL_MOST = 2.5
"""Times HR's energy of fine detail; the originals have 1, PSNR-oriented networks less."""
DETAIL_LEAST = 0.25
"""Times the start's energy of fine detail."""
LOGIT_GAP = 40.0
"""Between the mean logits of real and fake; a generator learns little from a judge so sure."""
SKIPPED_MOST = 0.1
"""Of all steps between two reports."""


def detail(image: Float[Tensor, "b 3 h w"]) -> float:
    """Energy of what is finer than three pixels in the luma of images in [0, 1]."""
    luma = rgb_to_y(image)
    return float((luma[..., 1:-1, 1:-1] - avg_pool2d(luma, 3, stride=1)).square().mean())


def appearance(pairs: Sequence[tuple[Pixels, Pixels]]) -> dict[str, float]:
    """How (SR, HR) images differ in ways that PSNR hides.

    Returns:
        `color_drift`, the largest difference of a channel's mean, in levels of 255, and
        `detail_ratio`, the energy of fine detail of SR over that of HR; means over
        images, NaN of none.
    """
    drifts, ratios = [], []
    for pair in pairs:
        sr, hr = (to_tensor(np.asarray(pixels)) for pixels in pair)
        drifts.append(float((sr - hr).mean((0, 2, 3)).abs().max()) * 255)
        ratios.append(detail(sr) / max(detail(hr), 1e-12))
    return {
        "color_drift": float(torch.tensor(drifts).mean()),
        "detail_ratio": float(torch.tensor(ratios).mean()),
    }


def signs(
    values: Mapping[str, float], start: Mapping[str, float], *, report_every: int
) -> dict[str, str]:
    """What is alarming, by name, with the evidence.

    Args:
        values: the latest validation (`val/...`) and the latest report's terms.
        start: the validation before the first step.
        report_every: steps that a report's count of skipped ones is of.
    """
    found: dict[str, str] = {}

    def look(name: str, *, bad: bool, evidence: str) -> None:
        if bad:
            found[name] = evidence

    psnr, began = values["val/psnr_y"], start["val/psnr_y"]
    look(
        "psnr_drop",
        bad=not psnr >= began - PSNR_Y_LOSS,
        evidence=f"val/psnr_y {psnr:.2f} dB, {began:.2f} at the start",
    )
    drift, drift_then = values["val/color_drift"], start["val/color_drift"]
    look(
        "color_shift",
        bad=not drift <= drift_then + COLOR_DRIFT,
        evidence=f"val/color_drift {drift:.1f} of 255, {drift_then:.1f} at the start",
    )
    ratio, ratio_then = values["val/detail_ratio"], start["val/detail_ratio"]
    look(
        "artifacts",
        bad=not ratio <= max(DETAIL_MOST, ratio_then * DETAIL_MOST),
        evidence=f"val/detail_ratio {ratio:.2f}: that many times the originals' fine detail",
    )
    look(
        "blank",
        # a network that starts from noise must lose detail
        bad=ratio < DETAIL_LEAST * ratio_then and ratio_then <= 1,
        evidence=f"val/detail_ratio {ratio:.3f}, {ratio_then:.3f} at the start",
    )
    gap = values.get("d/gap", 0.0)
    look(
        "discriminator_wins",
        bad=abs(gap) > LOGIT_GAP,
        evidence=f"d/gap {gap:.1f} between the mean logits of real and fake",
    )
    skipped = values.get("skipped", 0.0)
    look(
        "not_finite",
        bad=skipped > SKIPPED_MOST * report_every,
        evidence=f"{skipped:.0f} of the last {report_every} steps were skipped",
    )
    look(
        "no_gradient",
        bad=values.get("g/gradient", 1.0) == 0,
        evidence="g/gradient 0: the generator no longer learns",
    )
    return found


class HealthMonitor:
    """The start's validation and the alarms since; a part of the training's state."""

    def __init__(self, report_every: int) -> None:
        self.report_every = report_every
        self.start: dict[str, float] = {}
        self.alarms: list[dict[str, Any]] = []

    def look(self, step: int, values: Mapping[str, float]) -> dict[str, str]:
        """Note the alarms after the validation of `step`; return those that were not there."""
        if not self.start:
            self.start = {name: v for name, v in values.items() if name.startswith("val/")}
            return {}
        found = signs(values, self.start, report_every=self.report_every)
        known = {alarm["name"] for alarm in self.alarms}
        new = {name: evidence for name, evidence in found.items() if name not in known}
        self.alarms += [{"step": step, "name": n, "evidence": e} for n, e in new.items()]
        return new

    def state_dict(self) -> dict[str, Any]:
        """Everything that must survive."""
        return {"start": self.start, "alarms": self.alarms}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.start, self.alarms = dict(state["start"]), list(state["alarms"])
