"""Measure networks and images between the two trainings, and choose the alpha to use."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import ALPHA_GRID, IMAGE_GRID, PAIRS
from pipelines.evaluation.alpha_selection import (
    AlphaChoice,
    choose_alpha,
    grid_means,
    grid_methods,
    write_choice,
    write_grid_results,
)
from pipelines.evaluation.benchmark import load_metrics, score_methods, select_shown
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.test_sets import load_samples
from pipelines.reports.figures import SHEET, contact_sheet
from pipelines.runtime.tables import write_table
from pipelines.stages.runner import run_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Write both grids of the test images, the chosen alpha and a contact sheet."""
    store, config = PairStore(PAIRS), params.interpolate
    config.choose.check_measured(params.evaluate.metrics)
    metrics, test = load_metrics(params.evaluate), load_samples(store, "test")
    shown = {sample.name for sample in select_shown(test)}
    given = [] if config.alpha is None else [config.alpha]
    networks, mixtures = grid_methods(sorted({*config.alphas, *given}))
    methods = networks | mixtures
    frame, results = score_methods(methods, test, metrics, params.scale, "interpolate", shown)
    is_network = frame["model"].isin(networks)
    write_table(ALPHA_GRID, grid_means(frame[is_network]))
    write_table(IMAGE_GRID, grid_means(frame[~is_network]))
    write_grid_results(
        frame[is_network].rename(columns={"model": "alpha"}),
        {float(alpha): results[alpha] for alpha in networks},
    )
    if config.alpha is None:
        frame, _ = score_methods(
            networks, load_samples(store, "val"), metrics, params.scale, "choice of alpha"
        )
        means = grid_means(frame).groupby("alpha").mean(numeric_only=True).reset_index()
        choice = choose_alpha(means, config.choose)
    else:
        choice = AlphaChoice(alpha=config.alpha, why="given", within_bound=True, values={})
    write_choice(choice)
    print(f"alpha {choice.alpha:g}: {choice.why}")
    sheet = {sample.name for sample in select_shown(test, SHEET)}
    contact_sheet(
        {f"alpha {alpha}": [s for s in results[alpha] if s.name in sheet] for alpha in networks},
        ALPHA_GRID.parent / "images" / "alphas.png",
    )


if __name__ == "__main__":
    run_stage("interpolate", Params, run)
