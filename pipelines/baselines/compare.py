"""Measure the baselines on the same images as the pipeline's own networks."""

from dataclasses import dataclass

from esrgan_core.engine.evaluation import Method
from esrgan_core.models.sft import SFTNet
from pipelines.baselines import RECIPES
from pipelines.config.artifacts import generator_path
from pipelines.evaluation.methods import bicubic, load_network, network_interpolation
from pipelines.stages import evaluate
from pipelines.stages.runner import run_stage
from pipelines.training.semantic_maps import SemanticMapsConfig, load_map_source, semantic_method


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(evaluate.Params):
    """Parameters of this stage."""

    semantic_maps: SemanticMapsConfig


def baseline_methods(params: Params) -> dict[str, Method]:
    """Bicubic and the trained baselines, by name."""
    methods = {"bicubic": bicubic(params.scale)}
    for recipe in RECIPES:
        if generator_path(recipe).is_file():
            network, methods[recipe] = load_network(generator_path(recipe))
            if isinstance(network, SFTNet):
                methods[recipe] = semantic_method(network, load_map_source(params.semantic_maps))
    return methods


def trained_methods(params: Params) -> dict[str, Method]:
    """The baselines, and the network at every alpha of the grid."""
    alphas = sorted(set(params.interpolate.alphas))
    return baseline_methods(params) | {f"alpha {a:g}": network_interpolation(a) for a in alphas}


def run(params: Params) -> None:
    """Write the metrics of every model and the report."""
    trainings = (*RECIPES, "pretrain", "finetune")
    evaluate.measure("compare", baseline_methods(params), params, trainings=trainings)


if __name__ == "__main__":
    run_stage("compare", Params, run)
