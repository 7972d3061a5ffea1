"""Stage 2: fine-tune the generator with perceptual and relativistic adversarial losses."""

import shutil
from dataclasses import dataclass

from esrgan_core.features import FeaturesConfig
from esrgan_core.files import atomic_path
from esrgan_core.models.build import to_tensors
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.weights import save_weights
from pipelines.config.artifacts import PRETRAINED, START
from pipelines.evaluation.start import start_lineage
from pipelines.stages.runner import run_stage
from pipelines.training.adversarial import AdversarialTraining, find_setup, train_adversarially


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    discriminator: VGGDiscriminatorConfig
    features: FeaturesConfig
    finetune: AdversarialTraining


def run(params: Params) -> None:
    """Write both networks, the start, the curve and the metrics."""
    config = params.finetune
    setup = find_setup(
        "finetune", config, params.discriminator, params.features,
        earlier=PRETRAINED, kind=RRDBNetConfig,
    )  # fmt: skip
    if train_adversarially("finetune", setup, config):
        _write_start(setup.start, config.start)


def _write_start(start: NetworkState, value: str) -> None:
    """Write the network at alpha 0, which later stages measure and register."""
    if value:
        lineage = start_lineage(value, {"start": start.digest})
        save_weights(START, to_tensors(start.arrays), start.config, lineage)
        return
    # the same bytes, which DVC stores once
    with atomic_path(START) as temporary:
        shutil.copyfile(PRETRAINED, temporary)


if __name__ == "__main__":
    run_stage("finetune", Params, run, distributed=True)
