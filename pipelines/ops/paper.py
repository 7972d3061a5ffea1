"""Comparisons and figures of all trained networks, for papers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from esrgan_core.data.pairs import PairStore
from pipelines.baselines.compare import Params, trained_methods
from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, IMAGE_GRID, PAIRS
from pipelines.config.params import load_params
from pipelines.evaluation.benchmark import evaluate_methods, select_shown
from pipelines.evaluation.test_sets import load_folder_samples, load_samples
from pipelines.reports.figures import curves_figure, patch_figure, plane_figure, save_figure
from pipelines.reports.markdown_table import comparison_table
from pipelines.runtime.tables import read_table


def compare_methods(sets: Sequence[str]) -> str:
    """A Markdown table of all trained networks, next to published results.

    They are measured on `sets`, NAME=HR or NAME=HR,LR, or on the test images of the pair store.
    """
    params = load_params(Params)
    store = PairStore(PAIRS)
    samples = load_folder_samples(sets, params.scale) or load_samples(store, "test")
    methods = trained_methods(params)
    evaluation = evaluate_methods(methods, samples, params.evaluate, params.scale, "compare")
    return comparison_table(evaluation.frame, params.scale, len(store.names("train")))


def draw_figures(folder: Path) -> Iterator[str]:
    """Draw crops of every test image, curves, and perception against distortion; yield names."""
    params = load_params(Params)
    shown = select_shown(load_samples(PairStore(PAIRS), "test"))
    methods = trained_methods(params)
    evaluation = evaluate_methods(methods, shown, params.evaluate, params.scale, "figures")
    figures = {
        f"patches-{sample.name.rpartition('/')[2]}": patch_figure(
            sample, {name: scored[index] for name, scored in evaluation.images.items()}
        )
        for index, sample in enumerate(evaluation.shown)
    }
    figures["plane"] = plane_figure(
        read_table(ALPHA_GRID), read_table(IMAGE_GRID), evaluation.means
    )
    for path in sorted(ARTIFACTS.glob("*/curve.csv")):
        stage = path.parent.name
        figures[f"curves-{stage}"] = curves_figure(stage, read_table(path))
    for name, figure in sorted(figures.items()):
        for format_ in ("pdf", "png"):
            save_figure(figure, folder / f"{name}.{format_}")
        yield name
