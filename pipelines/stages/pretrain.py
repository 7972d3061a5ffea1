"""Stage 1: train the generator alone for PSNR with the mean absolute error."""

from dataclasses import asdict, dataclass, field

import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import AdamConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.models import build_generator
from esrgan_core.models.rrdb import RRDBNetConfig
from pipelines.launch import launch
from pipelines.paths import PAIRS
from pipelines.training import train
from pipelines.training_config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig(TrainingConfig):
    """Section `pretrain`."""

    optimizer: AdamConfig = field(default_factory=lambda: AdamConfig(learning_rate=2e-4))
    accumulate: int = 1
    """Equal parts that a batch is computed in, for less memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    generator: RRDBNetConfig
    pretrain: PretrainConfig


def run(params: Params) -> None:
    """Leave the PSNR-oriented generator with its curve and metrics."""
    config = params.pretrain
    torch.manual_seed(config.seed)
    execution = config.execution()
    step = PixelStep(
        build_generator(params.generator),
        config.optimizer,
        ema=config.ema,
        execution=execution,
        accumulate=config.accumulate,
    )
    identity = {"generator": asdict(params.generator)}
    train("pretrain", step, PairStore(PAIRS), config, execution=execution, identity=identity)


if __name__ == "__main__":
    launch("pretrain", Params, run, on_every_device=True)
