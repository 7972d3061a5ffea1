"""SFTGAN's generator, trained for pixels: where `sftgan` starts from (Wang et al. 2018)."""

from dataclasses import dataclass, replace

from esrgan_core.data.pairs import PairStore
from pipelines.config.artifacts import CLUSTERS, PAIRS
from pipelines.stages.runner import launch
from pipelines.stages.sections import SftnetTraining
from pipelines.training.pixel import train_for_pixels
from pipelines.training.semantic_maps import Clusters, SemanticMaps, SemanticMapsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    semantic_maps: SemanticMapsConfig
    sftnet: SftnetTraining


def run(params: Params) -> None:
    """Leave the network with its curve and metrics, and the clusters."""
    config, store = params.sftnet, PairStore(PAIRS)
    Clusters.fit(store, params.semantic_maps).write(CLUSTERS)
    classes = params.semantic_maps.classes
    network = replace(config.network, scale=params.scale, num_classes=classes)
    told = SemanticMaps.of(store, params.semantic_maps)
    train_for_pixels("sftnet", network, config, told)


if __name__ == "__main__":
    launch("sftnet", Params, run, on_every_device=True)
