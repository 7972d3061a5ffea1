"""Between the two networks: every metric at every alpha, and which alpha to use."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method
from esrgan_core.files import atomic_path
from pipelines.config.artifacts import ALPHA_GRID, IMAGE_GRID, PAIRS
from pipelines.evaluation.alpha_grid import text_of, write_results
from pipelines.evaluation.alpha_selection import (
    Choice,
    LastResultCache,
    choose,
    image_interpolation,
    write_choice,
)
from pipelines.evaluation.benchmark import measures, shown_of
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import compare, interpolated, on_equal_terms, set_means
from pipelines.evaluation.test_sets import samples_of
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
    test = samples_of(store, "test")
    given = [] if config.alpha is None else [config.alpha]
    alphas = {text_of(alpha): alpha for alpha in sorted({*config.alphas, *given})}
    networks: dict[str, Method] = {
        text: LastResultCache(interpolated(alpha)) for text, alpha in alphas.items()
    }
    mixtures = {
        f"images {text}": image_interpolation(networks["0"], networks["1"], alpha)
        for text, alpha in alphas.items()
    }
    metrics = measures(params.evaluate)
    names = {sample.name for sample in shown_of(test)}
    both = {**networks, **mixtures}
    frame, images = compare(both, test, metrics, params.scale, "interpolate", names)
    of_networks = frame[frame["model"].isin(alphas)]
    of_images = frame[~frame["model"].isin(alphas)]
    _leave(_grid(of_networks), ALPHA_GRID)
    _leave(
        _grid(of_images.assign(model=of_images["model"].str.removeprefix("images "))), IMAGE_GRID
    )
    write_results(
        of_networks.rename(columns={"model": "alpha"}),
        {alpha: images[text] for text, alpha in alphas.items()},
    )
    if config.alpha is None:
        seen = samples_of(store, "val")
        frame, _ = compare(networks, seen, metrics, params.scale, "choice of alpha")
        means = _grid(frame).groupby("alpha").mean(numeric_only=True).reset_index()
        choice = choose(means, config.choose)
    else:
        choice = Choice(alpha=config.alpha, why="given", within_bound=True, values={})
    write_choice(choice)
    print(f"alpha {choice.alpha:g}: {choice.why}")
    sheet = {sample.name for sample in shown_of(test, SHEET)}
    contact_sheet(
        {
            f"alpha {text}": [scored for scored in images[text] if scored.name in sheet]
            for text in alphas
        },
        ALPHA_GRID.parent / "images" / "alphas.png",
    )


def _grid(frame: pd.DataFrame) -> pd.DataFrame:
    means = set_means(on_equal_terms(frame)).rename(columns={"model": "alpha"})
    return means.assign(alpha=means["alpha"].astype(float))


def _leave(grid: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        grid.to_csv(temporary, index=False, float_format="%.6f")


if __name__ == "__main__":
    launch("interpolate", Params, run)
