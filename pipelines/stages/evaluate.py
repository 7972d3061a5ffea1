"""Measure bicubic and the networks on every test set, and draw the image page."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import EVALUATION_METRICS, PAIRS, REPORT_PAGE
from pipelines.evaluation.alpha_grid import model_alphas
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.benchmark import evaluate_methods, write_metrics
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import bicubic
from pipelines.evaluation.test_sets import load_samples
from pipelines.reports.evaluation import write_evaluation_report
from pipelines.stages.runner import launch


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave the figures of every model, `report/index.html` and `models.png`."""
    samples = load_samples(PairStore(PAIRS), "test")
    evaluation = evaluate_methods(
        {"bicubic": bicubic(params.scale)}, samples, params.evaluate, params.scale, "evaluate",
        grid_alphas=model_alphas(read_choice().alpha),
    )  # fmt: skip
    write_metrics(evaluation, EVALUATION_METRICS.parent)
    write_evaluation_report(
        REPORT_PAGE,
        evaluation,
        params.scale,
        params.interpolate,
        trainings=("pretrain", "finetune"),
    )


if __name__ == "__main__":
    launch("evaluate", Params, run)
