"""Training of a generator with a pixel loss only."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from esrgan_core.bounds import check_bounds
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.losses.pixel import LUMA_BORDER, PIXEL, PixelKind
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import GeneratorConfig
from esrgan_core.models.network_state import NetworkState
from pipelines.evaluation.start import check_shape, load_start, take_tensors
from pipelines.training.config import TrainingConfig
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.stage import train


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelTraining(TrainingConfig):
    """Section of a training with a pixel loss; the defaults are those of ESRGAN's first stage."""

    loss: PixelKind = "l1"
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=2e-4))
    accumulate: int = 1
    """Number of equal parts in which a batch is computed, to save memory."""

    def __post_init__(self) -> None:
        TrainingConfig.__post_init__(self)
        check_bounds(self, "accumulate", least=1)
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate must divide batch_size, which is {self.batch_size}, "
                f"got {self.accumulate}"
            )
        if self.loss == "luma_mse" and self.patch_size <= 2 * LUMA_BORDER:
            raise ValueError(
                f"patch_size must be above {2 * LUMA_BORDER} where loss is luma_mse, which "
                f"excludes {LUMA_BORDER} pixels on each side, got {self.patch_size}"
            )


def train_for_pixels(
    stage: str,
    generator: GeneratorConfig,
    config: PixelTraining,
    semantic_maps: SemanticMaps | None = None,
) -> None:
    """Train a generator, from `config.start` if it is set; write it, its curve and its metrics.

    Raises:
        UserError: if the start cannot be used, or has another shape.
    """
    start = None
    if config.start:
        name = f"{stage}.start"
        start = load_start(name, config.start, type(generator))
        section = "generator" if stage == "pretrain" else f"{stage}.network"
        check_shape(name, start.config, section, generator)
    identity: dict[str, Any] = {"generator": generator}
    if start is not None:
        identity["start"] = start.digest
    train(
        stage,
        partial(build_pixel_step, generator, config, start=start),
        config,
        identity=identity,
        start=start,
        semantic_maps=semantic_maps,
    )


def build_pixel_step(
    generator: GeneratorConfig,
    config: PixelTraining,
    execution: Execution,
    *,
    start: NetworkState | None = None,
) -> PixelStep:
    """Build the update; weights that `start` lacks are drawn from torch's generator."""
    network = build_generator(generator)
    if start is not None:
        take_tensors(network, start)
    return PixelStep(
        network,
        config.optimizer,
        ema=config.ema,
        loss=PIXEL[config.loss],
        execution=execution,
        accumulate=config.accumulate,
    )
