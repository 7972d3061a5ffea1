"""Measure bicubic and the networks on every test set, and draw the picture page."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import METRICS, PAGE, PAIRS
from pipelines.contenders import bicubic
from pipelines.evaluation import evaluate_all, leave_figures
from pipelines.grid import models_of
from pipelines.interpolation import read_choice
from pipelines.launch import launch
from pipelines.report.evaluation import leave_report
from pipelines.samples import samples_of
from pipelines.sections import EvaluateConfig, InterpolateConfig


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
    leave_figures(evaluation, METRICS.parent)
    leave_report(
        PAGE, evaluation, params.scale, params.interpolate, trainings=("pretrain", "finetune")
    )


if __name__ == "__main__":
    launch("evaluate", Params, run)
