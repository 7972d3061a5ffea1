"""SRResNet: normalized residual blocks, mean squared error (Ledig et al. 2017)."""

from dataclasses import dataclass, replace

from pipelines.stages.runner import run_stage
from pipelines.stages.sections import SrresnetTraining
from pipelines.training.pixel import train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    scale: int
    srresnet: SrresnetTraining


def run(params: Params) -> None:
    """Write the network, its curve and its metrics."""
    network = replace(params.srresnet.network, scale=params.scale)
    train_for_pixels("srresnet", network, params.srresnet)


if __name__ == "__main__":
    run_stage("srresnet", Params, run, distributed=True)
