"""SRResNet: normalised residual blocks, mean squared error (Ledig et al. 2017)."""

from dataclasses import dataclass, replace

from pipelines.stages.runner import launch
from pipelines.stages.sections import SrresnetTraining
from pipelines.training.pixel import train_for_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    srresnet: SrresnetTraining


def run(params: Params) -> None:
    """Leave the network with its curve and metrics."""
    network = replace(params.srresnet.network, scale=params.scale)
    train_for_pixels("srresnet", network, params.srresnet)


if __name__ == "__main__":
    launch("srresnet", Params, run, on_every_device=True)
