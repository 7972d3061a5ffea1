"""Between the two networks: every metric at every alpha, and which alpha to use."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from esrgan_core.data.pairs import PairStore
from esrgan_core.files import atomic_path
from esrgan_core.inference.upscale import upscale
from pipelines.contenders import compare, interpolated, network_of, set_means
from pipelines.evaluation import measures, shown_of
from pipelines.interpolation import Choice, between_pictures, choose, write_choice
from pipelines.launch import launch
from pipelines.paths import FINETUNED, GRID, IMAGE_GRID, PAIRS, PRETRAINED
from pipelines.report.figures import SHEET, contact_sheet
from pipelines.samples import samples_of
from pipelines.sections import EvaluateConfig, InterpolateConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave both grids of the test pictures, the chosen alpha and a contact sheet."""
    store, config = PairStore(PAIRS), params.interpolate
    config.choose.insist_measured(params.evaluate.metrics)
    test = samples_of(store, "test")
    alphas = {f"{alpha:g}": alpha for alpha in sorted(set(config.alphas))}
    ends = network_of(PRETRAINED)[1], network_of(FINETUNED)[1]
    networks = {text: partial(upscale, interpolated(alpha)) for text, alpha in alphas.items()}
    mixtures = {text: between_pictures(*ends, alpha) for text, alpha in alphas.items()}
    metrics = measures(params.evaluate)
    shown = shown_of(test, SHEET)
    names = {sample.name for sample in shown}
    frame, pictures = compare(networks, test, metrics, params.scale, "interpolate", names)
    _leave(_grid(frame), GRID)
    frame, _ = compare(mixtures, test, metrics, params.scale, "image interpolation")
    _leave(_grid(frame), IMAGE_GRID)
    if config.alpha is None:
        seen = samples_of(store, "val")
        frame, _ = compare(networks, seen, metrics, params.scale, "choice of alpha")
        means = _grid(frame).groupby("alpha").mean(numeric_only=True).reset_index()
        choice = choose(means, config.choose)
    else:
        choice = Choice(alpha=config.alpha, why="given", within_bound=True, values={})
    write_choice(choice)
    print(f"alpha {choice.alpha:g}: {choice.why}")
    contact_sheet(
        {f"alpha {text}": pictures[text] for text in alphas},
        GRID.parent / "pictures" / "alphas.png",
    )


def _grid(frame: pd.DataFrame) -> pd.DataFrame:
    means = set_means(frame).rename(columns={"model": "alpha"})
    return means.assign(alpha=means["alpha"].astype(float))


def _leave(grid: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        grid.to_csv(temporary, index=False, float_format="%.6f")


if __name__ == "__main__":
    launch("interpolate", Params, run)
