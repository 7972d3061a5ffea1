"""SFTGAN: SFTNet fine-tuned against a discriminator of classes (Wang et al. 2018)."""

from dataclasses import dataclass, replace

from esrgan_core.data.pairs import PairStore
from esrgan_core.models.configs import SFTNetConfig
from pipelines.config.artifacts import PAIRS, generator_path
from pipelines.stages.runner import run_stage
from pipelines.stages.sections import SftganTraining
from pipelines.training.adversarial import find_setup, train_adversarially
from pipelines.training.semantic_maps import SemanticMaps, SemanticMapsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    semantic_maps: SemanticMapsConfig
    sftgan: SftganTraining


def run(params: Params) -> None:
    """Write both networks, the curve and the metrics."""
    config, classes = params.sftgan, params.semantic_maps.classes
    discriminator = replace(config.discriminator, patch_size=config.patch_size, num_classes=classes)
    setup = find_setup(
        "sftgan", config, discriminator, config.features,
        earlier=generator_path("sftnet"), kind=SFTNetConfig,
    )  # fmt: skip
    maps = SemanticMaps.load(PairStore(PAIRS), params.semantic_maps)
    train_adversarially("sftgan", setup, config, maps)


if __name__ == "__main__":
    run_stage("sftgan", Params, run, distributed=True)
