"""Measure the baselines beside the pipeline's own networks: the same images, the same code."""

from dataclasses import dataclass

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method
from esrgan_core.models.sft import SFTNet
from pipelines.baselines import RECIPES
from pipelines.config.artifacts import ARTIFACTS, PAIRS, generator_path
from pipelines.evaluation.alpha_grid import model_alphas
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.benchmark import evaluate_methods, write_metrics
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig
from pipelines.evaluation.methods import bicubic, load_network, network_interpolation
from pipelines.evaluation.test_sets import load_samples
from pipelines.reports.evaluation import write_evaluation_report
from pipelines.stages.runner import launch
from pipelines.training.semantic_maps import SemanticMapsConfig, conditioned, conditions_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig
    semantic_maps: SemanticMapsConfig


def baselines(conditions: SemanticMapsConfig) -> dict[str, Method]:
    """Those that were trained here, by name."""
    found = {}
    for recipe in RECIPES:
        if generator_path(recipe).is_file():
            network, found[recipe] = load_network(generator_path(recipe))
            if isinstance(network, SFTNet):
                found[recipe] = conditioned(network, conditions_of(conditions))
    return found


def trained_methods(params: Params) -> dict[str, Method]:
    """Whatever was trained here: the baselines that there are, and every alpha of the grid."""
    found = {"bicubic": bicubic(params.scale), **baselines(params.semantic_maps)}
    for alpha in sorted(set(params.interpolate.alphas)):
        found[f"alpha {alpha:g}"] = network_interpolation(alpha)
    return found


def run(params: Params) -> None:
    """Leave the figures of every model, `report/index.html` and `models.png`."""
    samples = load_samples(PairStore(PAIRS), "test")
    methods = {"bicubic": bicubic(params.scale), **baselines(params.semantic_maps)}
    evaluation = evaluate_methods(
        methods, samples, params.evaluate, params.scale, "compare",
        grid_alphas=model_alphas(read_choice().alpha),
    )  # fmt: skip
    folder = ARTIFACTS / "compare"
    write_metrics(evaluation, folder)
    write_evaluation_report(
        folder / "report" / "index.html", evaluation, params.scale, params.interpolate,
        trainings=(*RECIPES, "pretrain", "finetune"),
    )  # fmt: skip


if __name__ == "__main__":
    launch("compare", Params, run)
