"""SFTGAN: SFTNet trained on against a discriminator that names classes (Wang et al. 2018)."""

from dataclasses import dataclass, field, replace

from esrgan_core.data.pairs import PairStore
from esrgan_core.features import FeaturesConfig
from esrgan_core.models.discriminator import ClassDiscriminatorConfig
from pipelines.adversarial_training import AdversarialTraining, train_adversarially
from pipelines.conditions import ConditionsConfig, Told
from pipelines.launch import launch
from pipelines.paths import PAIRS, generator_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SftganTraining(AdversarialTraining):
    """Section `sftgan`."""

    discriminator: ClassDiscriminatorConfig = field(default_factory=ClassDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    conditions: ConditionsConfig
    sftgan: SftganTraining


def run(params: Params) -> None:
    """Leave the generator, the discriminator, curve and metrics."""
    config, conditions = params.sftgan, params.conditions
    judge = replace(
        config.discriminator, patch_size=config.patch_size, num_classes=conditions.classes
    )
    told = Told.of(PairStore(PAIRS), conditions)
    train_adversarially("sftgan", generator_of("sftnet"), judge, config.features, config, told)


if __name__ == "__main__":
    launch("sftgan", Params, run, on_every_device=True)
