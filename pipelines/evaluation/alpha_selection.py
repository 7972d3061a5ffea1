"""Choose the default alpha of a model on the validation images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.metric_names import LOWER_IS_BETTER
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ALPHA_CHOICE
from pipelines.config.errors import UserError
from pipelines.evaluation.config import ChooseConfig

SLACK = 1e-9
"""Larger than a rounding error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlphaChoice:
    """The content of `artifacts/interpolate/choice.json`."""

    alpha: float
    why: str
    within_bound: bool
    values: Mapping[str, float]
    """Metrics of the validation images at this alpha; empty if params.yaml sets the alpha."""


def choose_alpha(grid: pd.DataFrame, rule: ChooseConfig) -> AlphaChoice:
    """Choose the best alpha by `rule.metric` among those within the bounds.

    If none is within them, choose the one with the lowest RMSE-Y or, without a bound on it, the
    highest PSNR-Y. Of equal values, the lower alpha is chosen.

    Args:
        grid: one row per alpha, one column per metric with means over sets; NaN if not measured.
        rule: metric and bounds.

    Raises:
        UserError: if `rule.metric` was measured at no alpha.
    """
    grid = grid[grid[rule.metric].notna()]
    if grid.empty:
        raise UserError(
            f"interpolate.choose: {rule.metric} could not be measured on any validation image (see "
            "the messages above); add larger validation images, choose by another metric, or set "
            "interpolate.alpha"
        )
    within, bounds = grid, []
    if rule.psnr_y_loss is not None:
        best_psnr = float(grid["psnr_y"].max())
        within = within[within["psnr_y"] >= best_psnr - rule.psnr_y_loss - SLACK]
        bounds.append(f"PSNR-Y at most {rule.psnr_y_loss:g} dB below {best_psnr:.3f}")
    if rule.rmse_y is not None:
        within = within[within["rmse_y"] <= rule.rmse_y + SLACK]
        bounds.append(f"RMSE-Y at most {rule.rmse_y:g}")
    limits = " and ".join(bounds) or "no bound"
    if len(within):
        rows, metric = within, rule.metric
        why = f"best {metric} on the validation images with {limits}"
    else:
        rows, metric = grid, "psnr_y" if rule.rmse_y is None else "rmse_y"
        why = f"no alpha has {limits} on the validation images; this one has the best {metric}"
    row = rows.sort_values([metric, "alpha"], ascending=[metric in LOWER_IS_BETTER, True]).iloc[0]
    values = {str(name): float(row[name]) for name in grid.columns if name != "alpha"}
    alpha = float(row["alpha"])
    return AlphaChoice(alpha=alpha, why=why, within_bound=len(within) > 0, values=values)


def write_choice(choice: AlphaChoice) -> None:
    """Write the choice for `evaluate` and `register`."""
    write_text(ALPHA_CHOICE, to_json(asdict(choice), indent=2) + "\n")


def read_choice() -> AlphaChoice:
    """Read the choice of `interpolate`."""
    return AlphaChoice(**from_json(ALPHA_CHOICE.read_text(encoding="utf-8")))
