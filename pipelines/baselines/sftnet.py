"""SFTNet, the generator of SFTGAN, trained with a pixel loss (Wang et al. 2018)."""

from dataclasses import dataclass, replace

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import CLUSTERS, PAIRS
from pipelines.stages.runner import run_stage
from pipelines.stages.sections import SftnetTraining
from pipelines.training.pixel import train_for_pixels
from pipelines.training.semantic_maps import Clusters, SemanticMaps, SemanticMapsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of this stage."""

    scale: int
    semantic_maps: SemanticMapsConfig
    sftnet: SftnetTraining


def run(params: Params) -> None:
    """Write the clusters, the network, its curve and its metrics."""
    store, config = PairStore(PAIRS), params.semantic_maps
    Clusters.fit(store, config.classes, config.seed).write(CLUSTERS)
    network = replace(params.sftnet.network, scale=params.scale, num_classes=config.classes)
    train_for_pixels("sftnet", network, params.sftnet, SemanticMaps.load(store, config))


if __name__ == "__main__":
    run_stage("sftnet", Params, run, distributed=True)
