"""Stage 1: train the generator alone for PSNR with the mean absolute error."""

from dataclasses import dataclass

from esrgan_core.models.rrdb import RRDBNetConfig
from pipelines.stages.runner import launch
from pipelines.training.pixel import PixelTraining, train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    generator: RRDBNetConfig
    pretrain: PixelTraining


def run(params: Params) -> None:
    """Leave the PSNR-oriented generator with its curve and metrics."""
    train_for_pixels("pretrain", params.generator, params.pretrain)


if __name__ == "__main__":
    launch("pretrain", Params, run, on_every_device=True)
