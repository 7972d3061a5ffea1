"""ESRGAN with the contextual loss in place of the perceptual one (Mechrez et al. 2018)."""

from dataclasses import dataclass, replace

from pipelines.config.artifacts import PRETRAINED
from pipelines.stages.runner import run_stage
from pipelines.stages.sections import ContextualTraining
from pipelines.training.adversarial import AdversarialSetup, train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    contextual: ContextualTraining


def run(params: Params) -> None:
    """Write both networks, the curve and the metrics."""
    config = params.contextual
    discriminator = replace(config.discriminator, patch_size=config.patch_size)
    setup = AdversarialSetup(PRETRAINED, discriminator, config.features)
    train_adversarially("contextual", setup, config)


if __name__ == "__main__":
    run_stage("contextual", Params, run, distributed=True)
