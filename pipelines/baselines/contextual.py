"""ESRGAN with the contextual loss in place of the perceptual one (Mechrez et al. 2018)."""

from dataclasses import dataclass, replace

from pipelines.config.artifacts import PRETRAINED
from pipelines.stages.runner import launch
from pipelines.stages.sections import ContextualTraining
from pipelines.training.adversarial import train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    contextual: ContextualTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config = params.contextual
    judge = replace(config.discriminator, patch_size=config.patch_size)
    train_adversarially("contextual", PRETRAINED, judge, config.features, config)


if __name__ == "__main__":
    launch("contextual", Params, run, on_every_device=True)
