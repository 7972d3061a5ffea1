"""What an evaluation leaves to look at: the page, a contact sheet, a table on the terminal."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from esrgan_core.engine.evaluation import ScoredImage
from esrgan_core.io.rgb import write_png
from pipelines.evaluation.alpha_grid import grid_results
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.evaluation.config import InterpolateConfig
from pipelines.reports.crops import most_detailed_crop
from pipelines.reports.figures import models_sheet
from pipelines.reports.html_report import CROP, ReportData, write_html_report


def write_evaluation_report(
    path: Path,
    evaluation: Evaluation,
    scale: int,
    interpolate: InterpolateConfig,
    *,
    trainings: Sequence[str],
) -> None:
    """Write the page at `path` and `models.png` beside its folder; print the table and the path."""
    subject = ReportData(
        evaluation=evaluation,
        between=_between(evaluation, interpolate),
        choice=read_choice(),
        scale=scale,
        trainings=trainings,
    )
    write_html_report(path, subject)
    _write_crops(path.parent / "crops", evaluation)
    models_sheet(evaluation.shown, evaluation.images, path.parent.with_name("models.png"))
    means = evaluation.means
    print(means.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"page: {path.resolve()}")


def _write_crops(folder: Path, evaluation: Evaluation) -> None:
    """The page's crops as files, for programs that line images up by their names."""
    shutil.rmtree(folder, ignore_errors=True)
    for index, sample in enumerate(evaluation.shown):
        hr = np.asarray(sample.hr)
        box = most_detailed_crop(hr, CROP, hr.shape[0] // sample.lr.shape[0])
        results = {name: scored[index].sr for name, scored in evaluation.images.items()}
        for name, pixels in (results | {"HR": hr}).items():
            place = folder / name / sample.set / f"{sample.name.rpartition('/')[2]}.png"
            write_png(place, np.ascontiguousarray(pixels[box]))


def _between(
    evaluation: Evaluation, interpolate: InterpolateConfig
) -> Mapping[float, Sequence[ScoredImage]]:
    """The images of the page at every alpha of the grid that is no method."""
    measured = {0.0, read_choice().alpha, 1.0}
    alphas = [alpha for alpha in interpolate.alphas if alpha not in measured]
    return {alpha: grid_results(alpha, evaluation.shown) for alpha in alphas}
