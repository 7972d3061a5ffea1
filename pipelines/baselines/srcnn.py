"""SRCNN: three convolutions on bicubic luma (Dong et al. 2014)."""

from dataclasses import dataclass, replace

from pipelines.stages.runner import run_stage
from pipelines.stages.sections import SrcnnTraining
from pipelines.training.pixel import train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    scale: int
    srcnn: SrcnnTraining


def run(params: Params) -> None:
    """Write the network, its curve and its metrics."""
    network = replace(params.srcnn.network, scale=params.scale)
    train_for_pixels("srcnn", network, params.srcnn)


if __name__ == "__main__":
    run_stage("srcnn", Params, run, distributed=True)
