"""Measure bicubic and the networks on every test set, and write the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method
from pipelines.config.artifacts import ARTIFACTS, PAIRS, START
from pipelines.evaluation.alpha_selection import model_alphas, read_choice
from pipelines.evaluation.benchmark import evaluate_methods, write_metrics
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import bicubic, state_method
from pipelines.evaluation.start import earlier_start
from pipelines.evaluation.test_sets import load_samples
from pipelines.reports.evaluation import write_evaluation_report
from pipelines.stages.runner import run_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Write the metrics of every model and the report."""
    methods = {"bicubic": bicubic(params.scale)}
    if (start := earlier_start(START)) is not None:
        methods["start"] = state_method(start)
    measure("evaluate", methods, params, trainings=("pretrain", "finetune"))


def measure(
    stage: str, methods: Mapping[str, Method], params: Params, *, trainings: Sequence[str]
) -> None:
    """Measure methods next to the models of the pipeline, and write metrics and report."""
    samples = load_samples(PairStore(PAIRS), "test")
    evaluation = evaluate_methods(
        methods, samples, params.evaluate, params.scale, stage,
        grid_alphas=model_alphas(read_choice().alpha),
    )  # fmt: skip
    folder = ARTIFACTS / stage
    write_metrics(evaluation, folder)
    write_evaluation_report(
        folder / "report" / "index.html", evaluation, params.scale, params.interpolate,
        trainings=trainings,
    )  # fmt: skip


if __name__ == "__main__":
    run_stage("evaluate", Params, run)
