"""Scores and results of every alpha, stored by `interpolate` so that no network runs twice."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from esrgan_core.engine.evaluation import Method, Sample, ScoredImage
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.artifacts import ALPHA_PER_IMAGE, ALPHA_RESULTS
from pipelines.evaluation.methods import image_interpolation, network_interpolation
from pipelines.evaluation.score_table import mask_incomplete, set_means
from pipelines.runtime.tables import read_table, write_table


def format_alpha(alpha: float) -> str:
    """An alpha as written in file names and tables.

    >>> format_alpha(0.2), format_alpha(1.0)
    ('0.2', '1')
    """
    return repr(float(alpha)).removesuffix(".0")


def model_alphas(chosen: float) -> dict[str, float]:
    """Alphas of the pipeline's own models, by name."""
    return {"pretrained": 0.0, "interpolated": chosen, "finetuned": 1.0}


def grid_methods(alphas: Iterable[float]) -> tuple[dict[str, Method], dict[str, Method]]:
    """(network interpolations by alpha, image interpolations by `images <alpha>`)."""
    # image interpolations reuse the results of the networks for the same sample
    networks: dict[str, Method] = {
        format_alpha(alpha): lru_cache(maxsize=1)(network_interpolation(alpha)) for alpha in alphas
    }
    images = {
        f"images {alpha}": image_interpolation(networks["0"], networks["1"], float(alpha))
        for alpha in networks
    }
    return networks, images


def grid_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Set means at each alpha, from a table of the scores of `grid_methods`."""
    means = set_means(mask_incomplete(frame)).rename(columns={"model": "alpha"})
    return means.assign(alpha=means["alpha"].str.removeprefix("images ").astype(float))


def write_grid_results(frame: pd.DataFrame, results: Mapping[float, Sequence[ScoredImage]]) -> None:
    """Write the scores of all test images, by `alpha` in place of `model`, and results by alpha."""
    write_table(ALPHA_PER_IMAGE, frame, float_format=None)
    shutil.rmtree(ALPHA_RESULTS, ignore_errors=True)
    for alpha, images in results.items():
        for scored in images:
            write_png(_result_path(alpha, scored.name), scored.sr)


def grid_scores(alpha: float) -> pd.DataFrame:
    """The scores of all test images at an alpha of the grid: set, name, every metric."""
    frame = read_table(ALPHA_PER_IMAGE)
    return frame[frame["alpha"] == alpha].drop(columns="alpha")


def grid_results(alpha: float, shown: Sequence[Sample]) -> list[ScoredImage]:
    """The results of `shown` at an alpha of the grid, with their scores."""
    scores = grid_scores(alpha).set_index(["set", "name"]).to_dict("index")
    return [
        ScoredImage(
            name=sample.name,
            set=sample.set,
            sr=read_rgb(_result_path(alpha, sample.name)),
            values={
                str(metric): float(value)
                for metric, value in scores[sample.set, sample.name.rpartition("/")[2]].items()
            },
        )
        for sample in shown
    ]


def _result_path(alpha: float, name: str) -> Path:
    return ALPHA_RESULTS / format_alpha(alpha) / f"{name}.png"
