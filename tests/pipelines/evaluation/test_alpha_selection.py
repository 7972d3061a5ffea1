from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.modules.module import register_module_forward_hook

from esrgan_core.engine.evaluation import Sample
from esrgan_core.metrics import METRICS
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_weights
from pipelines.config.artifacts import FINETUNED, START
from pipelines.evaluation.alpha_selection import (
    choose_alpha,
    format_alpha,
    grid_methods,
    grid_results,
    grid_scores,
    write_grid_results,
)
from pipelines.evaluation.benchmark import score_methods
from pipelines.evaluation.config import ChooseConfig
from pipelines.evaluation.methods import bicubic
from pipelines.evaluation.score_table import mask_incomplete, set_means
from tests.conftest import textured

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


@pytest.mark.parametrize("name", ["a", "NA", "nan", "null", "None", "007", "1e5", "inf"])
def test_stored_results_are_read_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hr = textured(32, 40, seed=1)
    sample = Sample(name=f"test/{name}/{name}", set=name, lr=textured(8, 10, seed=2), hr=hr)
    methods = {format_alpha(alpha): bicubic(4) for alpha in (0.0, 1 / 3, 1.0)}
    metrics = {"psnr_y": METRICS["psnr_y"]}
    frame, images = score_methods(methods, [sample], metrics, 4, "test", {sample.name})
    results = {alpha: images[format_alpha(alpha)] for alpha in (0.0, 1 / 3, 1.0)}
    write_grid_results(frame.rename(columns={"model": "alpha"}), results)
    for alpha, (before,) in results.items():
        (after,) = grid_results(alpha, [sample])
        assert after.values == before.values
        (row,) = set_means(mask_incomplete(grid_scores(alpha).assign(model="m"))).to_dict("records")
        assert row == {"model": "m", "set": name, **before.values}
        assert np.array_equal(after.sr, before.sr)


def test_image_interpolation_runs_no_network_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2))
    for path in (START, FINETUNED):
        save_weights(path, network.state_dict(), network.config, {})
    samples = [
        Sample(name=name, set="own", lr=textured(8, 8, seed=seed), hr=textured(32, 32, seed=seed))
        for seed, name in enumerate("ab")
    ]
    networks, images = grid_methods([0.0, 0.5, 1.0])
    layers: list[torch.nn.Module] = []
    hook = register_module_forward_hook(lambda module, *_: layers.append(module))
    counts = []
    for methods in (networks, networks | images):
        layers.clear()
        score_methods(methods, samples, {"psnr_y": METRICS["psnr_y"]}, 4, "test")
        counts.append(len(layers))
    hook.remove()
    assert counts[0] == counts[1] > 0
