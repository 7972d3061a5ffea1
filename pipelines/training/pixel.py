"""Training a generator for pixels alone, from its initial weights."""

from dataclasses import dataclass, field

import torch

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.losses.pixel import LUMA_BORDER, PIXEL, PixelKind
from esrgan_core.models import GeneratorConfig, build_generator
from pipelines.config.artifacts import PAIRS
from pipelines.training.config import TrainingConfig
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.trainer import train


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelTraining(TrainingConfig):
    """A training for pixels alone; the defaults are ESRGAN's first stage."""

    loss: PixelKind = "l1"
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=2e-4))
    accumulate: int = 1
    """Equal parts that a batch is computed in, for less memory."""

    def __post_init__(self) -> None:
        """Refuse batches that cannot be parted, and patches that are all border."""
        TrainingConfig.__post_init__(self)
        check_bounds(self, "accumulate", least=1)
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate must divide batch_size, which is {self.batch_size}, "
                f"got {self.accumulate}"
            )
        if self.loss == "luma_mse" and self.patch_size <= 2 * LUMA_BORDER:
            raise ValueError(
                f"patch_size must be above {2 * LUMA_BORDER} where loss is luma_mse, which leaves "
                f"out {LUMA_BORDER} pixels on each side, got {self.patch_size}"
            )


def train_for_pixels(
    stage: str, generator: GeneratorConfig, config: PixelTraining, told: SemanticMaps | None = None
) -> None:
    """Leave a generator that was trained from its initial weights, with curve and metrics."""
    torch.manual_seed(config.seed)
    execution = config.execution(stage)
    step = pixel_step(generator, config, execution)
    identity = {"generator": generator}
    store = PairStore(PAIRS)
    train(stage, step, store, config, execution=execution, identity=identity, told=told)


def pixel_step(
    generator: GeneratorConfig, config: PixelTraining, execution: Execution
) -> PixelStep:
    """The update of a generator with weights by torch's random numbers."""
    return PixelStep(
        build_generator(generator),
        config.optimizer,
        ema=config.ema,
        loss=PIXEL[config.loss],
        execution=execution,
        accumulate=config.accumulate,
    )
