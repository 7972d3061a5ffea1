"""SFTGAN: SFTNet trained on against a discriminator that names classes (Wang et al. 2018)."""

from dataclasses import dataclass, replace

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import PAIRS, generator_path
from pipelines.stages.runner import launch
from pipelines.stages.sections import SftganTraining
from pipelines.training.adversarial import train_adversarially
from pipelines.training.semantic_maps import SemanticMaps, SemanticMapsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    semantic_maps: SemanticMapsConfig
    sftgan: SftganTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config, conditions = params.sftgan, params.semantic_maps
    judge = replace(
        config.discriminator, patch_size=config.patch_size, num_classes=conditions.classes
    )
    told = SemanticMaps.of(PairStore(PAIRS), conditions)
    train_adversarially("sftgan", generator_path("sftnet"), judge, config.features, config, told)


if __name__ == "__main__":
    launch("sftgan", Params, run, on_every_device=True)
