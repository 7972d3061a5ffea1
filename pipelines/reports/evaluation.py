"""Write everything that shows an evaluation: the HTML report, crops, a contact sheet."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from esrgan_core.io.rgb import write_png
from pipelines.evaluation.alpha_selection import grid_results, read_choice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.evaluation.config import InterpolateConfig
from pipelines.reports.crops import most_detailed_crop
from pipelines.reports.figures import contact_sheet, originals
from pipelines.reports.html_report import CROP, collect_views, write_html_report


def write_evaluation_report(
    path: Path,
    evaluation: Evaluation,
    scale: int,
    interpolate: InterpolateConfig,
    *,
    trainings: Sequence[str],
) -> None:
    """Write the HTML report with its crops, and `models.png`; print set means and the path."""
    choice, shown = read_choice(), evaluation.shown
    alphas = [alpha for alpha in interpolate.alphas if alpha not in (0.0, choice.alpha, 1.0)]
    between = {alpha: grid_results(alpha, shown) for alpha in alphas}
    views = collect_views(evaluation, between, choice.alpha)
    write_html_report(path, evaluation, views, scale, trainings)
    _write_crops(path.parent / "crops", evaluation)
    columns = {**evaluation.images, "HR": originals(shown)}
    contact_sheet(columns, path.parent.with_name("models.png"))
    print(evaluation.means.to_string(index=False, float_format="{:.3f}".format))
    print(f"page: {path.resolve()}")


def _write_crops(folder: Path, evaluation: Evaluation) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for index, sample in enumerate(evaluation.shown):
        hr = np.asarray(sample.hr)
        box = most_detailed_crop(hr, CROP, hr.shape[0] // sample.lr.shape[0])
        results = {name: images[index].sr for name, images in evaluation.images.items()}
        for name, pixels in {**results, "HR": hr}.items():
            path = folder / name / sample.set / f"{sample.name.rpartition('/')[2]}.png"
            write_png(path, np.ascontiguousarray(pixels[box]))
