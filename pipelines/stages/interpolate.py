"""Between the two networks: every metric at every alpha, and which alpha to use."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method
from esrgan_core.files import atomic_path
from pipelines.config.artifacts import ALPHA_GRID, IMAGE_GRID, PAIRS
from pipelines.evaluation.alpha_grid import format_alpha, write_grid_results
from pipelines.evaluation.alpha_selection import AlphaChoice, choose_alpha, write_choice
from pipelines.evaluation.benchmark import load_metrics, score_methods, select_shown
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import LastResultCache, image_interpolation, network_interpolation
from pipelines.evaluation.score_table import mask_incomplete, set_means
from pipelines.evaluation.test_sets import load_samples
from pipelines.reports.figures import SHEET, contact_sheet
from pipelines.stages.runner import launch


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave both grids of the test images, the chosen alpha and a contact sheet."""
    store, config = PairStore(PAIRS), params.interpolate
    config.choose.check_measured(params.evaluate.metrics)
    test = load_samples(store, "test")
    given = [] if config.alpha is None else [config.alpha]
    alphas = {format_alpha(alpha): alpha for alpha in sorted({*config.alphas, *given})}
    networks: dict[str, Method] = {
        text: LastResultCache(network_interpolation(alpha)) for text, alpha in alphas.items()
    }
    mixtures = {
        f"images {text}": image_interpolation(networks["0"], networks["1"], alpha)
        for text, alpha in alphas.items()
    }
    metrics = load_metrics(params.evaluate)
    names = {sample.name for sample in select_shown(test)}
    both = {**networks, **mixtures}
    frame, images = score_methods(both, test, metrics, params.scale, "interpolate", names)
    of_networks = frame[frame["model"].isin(alphas)]
    of_images = frame[~frame["model"].isin(alphas)]
    _leave(_grid(of_networks), ALPHA_GRID)
    _leave(
        _grid(of_images.assign(model=of_images["model"].str.removeprefix("images "))), IMAGE_GRID
    )
    write_grid_results(
        of_networks.rename(columns={"model": "alpha"}),
        {alpha: images[text] for text, alpha in alphas.items()},
    )
    if config.alpha is None:
        seen = load_samples(store, "val")
        frame, _ = score_methods(networks, seen, metrics, params.scale, "choice of alpha")
        means = _grid(frame).groupby("alpha").mean(numeric_only=True).reset_index()
        choice = choose_alpha(means, config.choose)
    else:
        choice = AlphaChoice(alpha=config.alpha, why="given", within_bound=True, values={})
    write_choice(choice)
    print(f"alpha {choice.alpha:g}: {choice.why}")
    sheet = {sample.name for sample in select_shown(test, SHEET)}
    contact_sheet(
        {
            f"alpha {text}": [scored for scored in images[text] if scored.name in sheet]
            for text in alphas
        },
        ALPHA_GRID.parent / "images" / "alphas.png",
    )


def _grid(frame: pd.DataFrame) -> pd.DataFrame:
    means = set_means(mask_incomplete(frame)).rename(columns={"model": "alpha"})
    return means.assign(alpha=means["alpha"].astype(float))


def _leave(grid: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        grid.to_csv(temporary, index=False, float_format="%.6f")


if __name__ == "__main__":
    launch("interpolate", Params, run)
