"""Stage 1: train the generator for PSNR with the mean absolute error."""

from dataclasses import dataclass

from esrgan_core.models.configs import RRDBNetConfig
from pipelines.stages.runner import run_stage
from pipelines.training.pixel import PixelTraining, train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    generator: RRDBNetConfig
    pretrain: PixelTraining


def run(params: Params) -> None:
    """Write the generator, its curve and its metrics."""
    train_for_pixels("pretrain", params.generator, params.pretrain)


if __name__ == "__main__":
    run_stage("pretrain", Params, run, distributed=True)
