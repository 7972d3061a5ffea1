"""Which alpha a model is best used with, and the two ways to lie between two networks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluation import Method, Pixels, Sample
from esrgan_core.files import write_text
from esrgan_core.metric_names import LOWER_IS_BETTER
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ALPHA_CHOICE
from pipelines.evaluation.config import ChooseConfig

SLACK = 1e-9
"""A bound that is met to rounding is met."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What `artifacts/interpolate/choice.json` says."""

    alpha: float
    why: str
    within_bound: bool
    values: Mapping[str, float]
    """Metrics of the validation images at this alpha; empty for an alpha that was given."""


def choose(grid: pd.DataFrame, rule: ChooseConfig) -> Choice:
    """The alpha of a grid that is best by the rule's metric among those that keep its bounds.

    Where none does, the one that comes nearest to PSNR's best: the lowest RMSE-Y or, without
    that bound, the highest PSNR-Y. Equal values go to the lower alpha, and an alpha at which the
    metric could not be measured is left out.

    Args:
        grid: one row per alpha, a column per metric: means over sets; NaN where there is none.
        rule: metric and bounds.

    Raises:
        ValueError: if the metric could be measured at no alpha.
    """
    grid = grid[grid[rule.metric].notna()]
    if grid.empty:
        raise ValueError(
            f"interpolate.choose: {rule.metric} can be measured on no validation image (why was "
            "said above), so no alpha is best by it; add larger validation images, choose by "
            "another metric, or set interpolate.alpha"
        )
    best_psnr = float(grid["psnr_y"].max())
    kept = grid
    words = []
    if rule.psnr_y_loss is not None:
        kept = kept[kept["psnr_y"] >= best_psnr - rule.psnr_y_loss - SLACK]
        words.append(f"PSNR-Y at most {rule.psnr_y_loss:g} dB below {best_psnr:.3f}")
    if rule.rmse_y is not None:
        kept = kept[kept["rmse_y"] <= rule.rmse_y + SLACK]
        words.append(f"RMSE-Y at most {rule.rmse_y:g}")
    bounds = " and ".join(words) or "no bound"
    if within := len(kept) > 0:
        sign = 1 if rule.metric in LOWER_IS_BETTER else -1
        why = f"best {rule.metric} on the validation images with {bounds}"
    else:
        kept, sign = grid, (1 if rule.rmse_y is not None else -1)
        why = f"no alpha has {bounds} on the validation images; this is the nearest to it"
    by = rule.metric if within else ("rmse_y" if rule.rmse_y is not None else "psnr_y")
    row = kept.assign(order=sign * kept[by]).sort_values(["order", "alpha"]).iloc[0]
    values = {str(name): float(row[name]) for name in grid.columns if name != "alpha"}
    return Choice(alpha=float(row["alpha"]), why=why, within_bound=within, values=values)


def write_choice(choice: Choice) -> None:
    """Leave the choice where `evaluate` and `register` read it."""
    write_text(ALPHA_CHOICE, to_json(asdict(choice), indent=2) + "\n")


def read_choice() -> Choice:
    """The choice that `interpolate` has left."""
    content: dict[str, Any] = from_json(ALPHA_CHOICE.read_text(encoding="utf-8"))
    return Choice(**content)


class LastResultCache:
    """A method that keeps its last result, for the methods that mix it with another result."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.sample: Sample | None = None

    def __call__(self, sample: Sample) -> Pixels:
        """Upscale, unless it is the same sample as the last time."""
        if sample is not self.sample:
            self.sample, self.sr = sample, self.method(sample)
        return self.sr


def image_interpolation(psnr: Method, gan: Method, alpha: float) -> Method:
    """Image interpolation: the mean of two results, rounded half up (ESRGAN section 3.4).

    The paper's comparison to interpolating the networks: it cannot remove artifacts, only fade
    them.
    """

    def upscale(sample: Sample) -> Pixels:
        mixed = (1 - alpha) * psnr(sample).astype(np.float64) + alpha * gan(sample)
        return np.floor(mixed + 0.5).astype(np.uint8)

    return upscale
