"""The grid of alphas, whose results `interpolate` stores, and the choice of the default alpha."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from esrgan_core.engine.evaluation import Method, Sample, ScoredImage
from esrgan_core.files import write_text
from esrgan_core.io.rgb import read_rgb, write_png
from esrgan_core.metric_names import LOWER_IS_BETTER
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ALPHA_CHOICE, ALPHA_PER_IMAGE, ALPHA_RESULTS
from pipelines.config.errors import UserError
from pipelines.evaluation.config import ChooseConfig
from pipelines.evaluation.methods import image_interpolation, network_interpolation
from pipelines.evaluation.score_table import mask_incomplete, set_means
from pipelines.runtime.tables import read_table, write_table

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


def choose_alpha(grid: pd.DataFrame, rule: ChooseConfig) -> AlphaChoice:
    """Choose the best alpha by `rule.metric` among those within the bounds.

    If none is within them, choose the one with the lowest RMSE-Y or, without a bound on it, the
    highest PSNR-Y. Of equal values, the lower alpha is chosen. `grid` has one row per alpha and
    one column per metric with means over sets; NaN if not measured.

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
