"""SRCNN: three convolutions on bicubic luma (Dong et al. 2014)."""

from dataclasses import dataclass, replace

from pipelines.stages.runner import launch
from pipelines.stages.sections import SrcnnTraining
from pipelines.training.pixel import train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    srcnn: SrcnnTraining


def run(params: Params) -> None:
    """Leave the network with its curve and metrics."""
    network = replace(params.srcnn.network, scale=params.scale)
    train_for_pixels("srcnn", network, params.srcnn)


if __name__ == "__main__":
    launch("srcnn", Params, run, on_every_device=True)
