"""Stage 1: train the generator for PSNR with the mean absolute error."""

from dataclasses import dataclass

from esrgan_core.models.configs import RRDBNetConfig
from pipelines.config.errors import UserError
from pipelines.stages.runner import run_stage
from pipelines.training.pixel import PixelTraining, train_for_pixels
from pipelines.training.start import config_from_start, load_start


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    generator: RRDBNetConfig | None
    """None for `from_start`: the shape of the start."""
    pretrain: PixelTraining


def run(params: Params) -> None:
    """Write the generator, its curve and its metrics."""
    generator = find_generator(params.generator, params.pretrain, params.scale)
    train_for_pixels("pretrain", generator, params.pretrain)


def find_generator(
    generator: RRDBNetConfig | None, config: PixelTraining, scale: int
) -> RRDBNetConfig:
    """The section `generator`, or the shape of the start if it is `from_start`.

    Raises:
        UserError: if the start cannot be used.
    """
    if generator is not None:
        return generator
    if not config.start:
        raise UserError("generator = from_start needs a network: set pretrain.start")
    start = load_start("pretrain.start", config.start, RRDBNetConfig).config
    assert isinstance(start, RRDBNetConfig)
    return config_from_start(start, scale)


if __name__ == "__main__":
    run_stage("pretrain", Params, run, distributed=True)
