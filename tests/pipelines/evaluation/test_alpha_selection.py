import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.alpha_selection import choose_alpha
from pipelines.evaluation.config import ChooseConfig

FIGURES = st.floats(0, 40, allow_nan=False)
GRIDS = st.lists(st.tuples(FIGURES, FIGURES, FIGURES), min_size=2, max_size=8)
BOUNDS = st.none() | st.floats(0, 20)


@given(rows=GRIDS, psnr_y_loss=BOUNDS, rmse_y=BOUNDS)
def test_the_choice_equals_brute_force_over_random_grids(
    rows: list[tuple[float, float, float]], psnr_y_loss: float | None, rmse_y: float | None
) -> None:
    grid = pd.DataFrame(rows, columns=["psnr_y", "rmse_y", "niqe"])
    grid.insert(0, "alpha", np.linspace(0, 1, len(rows)))
    choice = choose_alpha(grid, ChooseConfig(metric="niqe", psnr_y_loss=psnr_y_loss, rmse_y=rmse_y))
    best_psnr = max(row[0] for row in rows)
    best: tuple[float, float] | None = None
    for alpha, (psnr, rmse, niqe) in zip(grid["alpha"], rows, strict=True):
        if psnr_y_loss is not None and psnr < best_psnr - psnr_y_loss - 1e-9:
            continue
        if rmse_y is not None and rmse > rmse_y + 1e-9:
            continue
        if best is None or niqe < best[0]:
            best = niqe, float(alpha)
    assert choice.within_bound == (best is not None)
    if best is not None:
        assert choice.alpha == best[1]
    else:
        assert rmse_y is not None
        nearest = min(range(len(rows)), key=lambda n: rows[n][1])
        assert choice.alpha == grid["alpha"][nearest]


def test_the_highest_ssim_is_the_best() -> None:
    grid = pd.DataFrame({"alpha": [0.0, 1.0], "psnr_y": [30.0, 29.0], "ssim_y": [0.8, 0.9]})
    assert choose_alpha(grid, ChooseConfig(metric="ssim_y")).alpha == 1
    assert choose_alpha(grid, ChooseConfig(metric="ssim_y", psnr_y_loss=0.5)).alpha == 0


def test_an_alpha_without_a_value_is_never_chosen() -> None:
    nan = float("nan")
    grid = pd.DataFrame({"alpha": [0.0, 0.5, 1.0], "psnr_y": [30.0, 29.9, 29.0], "niqe": 3 * [nan]})
    with pytest.raises(ValueError, match="niqe could not be measured on any validation image"):
        choose_alpha(grid, ChooseConfig(metric="niqe", psnr_y_loss=0.5))
    grid.loc[1:, "niqe"] = [5.0, 4.0]
    assert choose_alpha(grid, ChooseConfig(metric="niqe", psnr_y_loss=0.5)).alpha == 0.5


def test_a_rule_needs_its_metrics_measured() -> None:
    with pytest.raises(ValueError, match=r"lpips.*add it to evaluate\.metrics"):
        ChooseConfig(metric="lpips").check_measured(["psnr_y", "niqe"])
    with pytest.raises(ValueError, match="rmse_y"):
        ChooseConfig(metric="niqe", rmse_y=11.5).check_measured(["psnr_y", "niqe"])
