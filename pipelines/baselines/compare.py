"""Measure the baselines beside the pipeline's own networks: the same pictures, the same code."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluate import Upscaler
from pipelines.baselines import RECIPES
from pipelines.conditions import ConditionsConfig, conditioned, conditions_of
from pipelines.contenders import network_of
from pipelines.evaluation import evaluate_all, leave_figures, own_contenders
from pipelines.interpolation import read_choice
from pipelines.launch import launch
from pipelines.paths import ARTIFACTS, PAIRS, generator_of
from pipelines.report.evaluation import leave_report
from pipelines.samples import samples_of
from pipelines.sections import EvaluateConfig, InterpolateConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig
    conditions: ConditionsConfig


def all_contenders(scale: int, alpha: float, conditions: ConditionsConfig) -> dict[str, Upscaler]:
    """Bicubic enlargement, the baselines, and the pipeline's own networks."""
    own = own_contenders(scale, alpha)
    baselines = {recipe: network_of(generator_of(recipe))[1] for recipe in RECIPES}
    sftgan = network_of(generator_of("sftgan"))[0]
    baselines["sftgan"] = conditioned(sftgan, PairStore(PAIRS), conditions_of(conditions))
    return {"bicubic": own.pop("bicubic"), **baselines, **own}


def run(params: Params) -> None:
    """Leave the figures of every model, `report/index.html` and `report/models.png`."""
    contenders = all_contenders(params.scale, read_choice().alpha, params.conditions)
    samples = samples_of(PairStore(PAIRS), "test")
    evaluation = evaluate_all(contenders, samples, params.evaluate, params.scale, "compare")
    folder = ARTIFACTS / "compare"
    leave_figures(evaluation, folder)
    leave_report(
        folder / "report" / "index.html", evaluation, params.scale, params.interpolate,
        params.evaluate, trainings=(*RECIPES, "pretrain", "finetune"),
    )  # fmt: skip


if __name__ == "__main__":
    launch("compare", Params, run)
