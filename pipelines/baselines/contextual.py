"""ESRGAN with the contextual loss in place of the perceptual one (Mechrez et al. 2018)."""

from dataclasses import dataclass, replace

from esrgan_core.models.configs import RRDBNetConfig
from pipelines.config.artifacts import PRETRAINED
from pipelines.stages.runner import run_stage
from pipelines.stages.sections import ContextualTraining
from pipelines.training.adversarial import find_setup, train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    contextual: ContextualTraining


def run(params: Params) -> None:
    """Write both networks, the curve and the metrics."""
    config = params.contextual
    discriminator = replace(config.discriminator, patch_size=config.patch_size)
    setup = find_setup(
        "contextual", config, discriminator, config.features, earlier=PRETRAINED, kind=RRDBNetConfig
    )
    train_adversarially("contextual", setup, config)


if __name__ == "__main__":
    run_stage("contextual", Params, run, distributed=True)
