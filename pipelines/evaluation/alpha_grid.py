"""Scores and results of every alpha, stored by `interpolate` so that no network runs twice."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from esrgan_core.engine.evaluation import Sample, ScoredImage
from esrgan_core.files import atomic_path
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.artifacts import ALPHA_PER_IMAGE, ALPHA_RESULTS
from pipelines.runtime.tables import read_table


def format_alpha(alpha: float) -> str:
    """An alpha as written in file names and tables.

    >>> format_alpha(0.2), format_alpha(1.0)
    ('0.2', '1')
    """
    return repr(float(alpha)).removesuffix(".0")


def model_alphas(chosen: float) -> dict[str, float]:
    """Alphas of the pipeline's own models, by name."""
    return {"pretrained": 0.0, "interpolated": chosen, "finetuned": 1.0}


def write_grid_results(frame: pd.DataFrame, results: Mapping[float, Sequence[ScoredImage]]) -> None:
    """Write the scores of all test images, and the results of the shown ones.

    Args:
        frame: a table of scores with a column `alpha` in place of `model`.
        results: by alpha.
    """
    with atomic_path(ALPHA_PER_IMAGE) as temporary:
        frame.to_csv(temporary, index=False)
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
