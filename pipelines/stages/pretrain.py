"""Stage 1: train the generator for PSNR with the mean absolute error."""

from dataclasses import dataclass

from esrgan_core.models.configs import RRDBNetConfig
from pipelines.evaluation.start import find_generator
from pipelines.stages.runner import run_stage
from pipelines.training.pixel import PixelTraining, train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    generator: RRDBNetConfig | None
    """None for `from_start`: the shape of the start."""
    pretrain: PixelTraining


def run(params: Params) -> None:
    """Write the generator, its curve and its metrics."""
    generator = find_generator(params.generator, params.pretrain.start, params.scale)
    train_for_pixels("pretrain", generator, params.pretrain)


if __name__ == "__main__":
    run_stage("pretrain", Params, run, distributed=True)
