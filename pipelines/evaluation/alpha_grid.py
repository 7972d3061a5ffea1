"""What `interpolate` measured at every alpha, kept so that no network runs twice."""

import shutil
from collections.abc import Mapping, Sequence

import pandas as pd

from esrgan_core.engine.evaluation import Sample, Scored
from esrgan_core.files import atomic_path
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.artifacts import ALPHA_PER_IMAGE, ALPHA_RESULTS
from pipelines.runtime.tables import read_table


def text_of(alpha: float) -> str:
    """An alpha as it stands in names and tables.

    >>> text_of(0.2), text_of(1.0)
    ('0.2', '1')
    """
    return repr(float(alpha)).removesuffix(".0")


def write_results(frame: pd.DataFrame, results: Mapping[float, Sequence[Scored]]) -> None:
    """Leave the figures of every test image, and the results of those that are shown.

    Args:
        frame: as `methods.compare` gives it, with a column `alpha` instead of `model`.
        results: by alpha.
    """
    with atomic_path(ALPHA_PER_IMAGE) as temporary:
        frame.to_csv(temporary, index=False)
    shutil.rmtree(ALPHA_RESULTS, ignore_errors=True)
    for alpha, images in results.items():
        for scored in images:
            write_png(ALPHA_RESULTS / text_of(alpha) / f"{scored.name}.png", scored.sr)


def figures_at(alpha: float) -> pd.DataFrame:
    """The figures of every test image at an alpha of the grid: set, name, every metric."""
    frame = read_table(ALPHA_PER_IMAGE)
    return frame[frame["alpha"] == alpha].drop(columns="alpha")


def results_at(alpha: float, shown: Sequence[Sample]) -> list[Scored]:
    """The results that are shown, at an alpha of the grid, with their figures."""
    figures = figures_at(alpha).set_index(["set", "name"]).to_dict("index")
    return [
        Scored(
            name=sample.name,
            set=sample.set,
            sr=read_rgb(ALPHA_RESULTS / text_of(alpha) / f"{sample.name}.png"),
            values={
                str(name): float(value)
                for name, value in figures[sample.set, sample.name.rpartition("/")[2]].items()
            },
        )
        for sample in shown
    ]


def models_of(chosen: float) -> dict[str, float]:
    """Alphas of the pipeline's own models, with the one that is used, by name."""
    return {"pretrained": 0.0, "interpolated": chosen, "finetuned": 1.0}
