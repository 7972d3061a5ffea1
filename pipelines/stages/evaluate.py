"""Measure bicubic and the networks on every test set, and draw the image page."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import EVALUATION_METRICS, PAIRS, REPORT_PAGE
from pipelines.evaluation.alpha_grid import models_of
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.benchmark import evaluate_all, write_metrics
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import bicubic
from pipelines.evaluation.test_sets import samples_of
from pipelines.reports.evaluation import write_report
from pipelines.stages.runner import launch


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave the figures of every model, `report/index.html` and `models.png`."""
    samples = samples_of(PairStore(PAIRS), "test")
    evaluation = evaluate_all(
        {"bicubic": bicubic(params.scale)}, samples, params.evaluate, params.scale, "evaluate",
        of_grid=models_of(read_choice().alpha),
    )  # fmt: skip
    write_metrics(evaluation, EVALUATION_METRICS.parent)
    write_report(
        REPORT_PAGE,
        evaluation,
        params.scale,
        params.interpolate,
        trainings=("pretrain", "finetune"),
    )


if __name__ == "__main__":
    launch("evaluate", Params, run)
