"""Semantic maps, the second input of SFTGAN: the probability of each class at each pixel.

They are read from files, as in the paper, or made from clusters that need no labels. The clusters
have no meaning to a person, and do not replace segmentation in a comparison with the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method, Pixels, Sample
from esrgan_core.files import atomic_path
from esrgan_core.inference.upscale import upscale
from esrgan_core.models import Generator
from esrgan_core.records import record_hash, to_record
from pipelines.config.artifacts import CLUSTERS
from pipelines.config.errors import UserError
from pipelines.runtime.progress import track
from pipelines.runtime.state import state_root
from pipelines.sources.pinned import find_pinned, pinned_hash
from pipelines.training.clusters import Clusters, Maps, quantize
from pipelines.training.fingerprint import TRAINING_RECORDS


@dataclass(frozen=True, kw_only=True, slots=True)
class SemanticMapsConfig:
    """Section `semantic_maps`."""

    maps: str = ""
    """Folder with a file per image, named as in the pair store (`train/0001.npy`): probabilities
    of shape (classes, height, width) at the size of LR or HR, as `.npy`, or as `.pth` as
    OutdoorSceneSeg writes them. With the hash of its content (see `pinned`); empty for clusters."""
    classes: int = 8
    """Channels of the maps, or number of clusters."""
    seed: int = 0
    """Seed of the clusters."""

    def __post_init__(self) -> None:
        check_bounds(self, "classes", least=2)
        check_bounds(self, "seed", below=2**32)  # scikit-learn's limit


class MapFiles:
    """Semantic maps that another program has written to a folder."""

    def __init__(self, folder: Path, classes: int) -> None:
        self.folder, self.classes = folder, classes

    def maps(self, name: str, lr: Pixels) -> Maps:
        """Read the maps from the image's file.

        Raises:
            UserError: if the file does not exist, or its shape does not match.
        """
        paths = [self.folder / f"{name}{suffix}" for suffix in (".npy", ".pth")]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise UserError(f"no semantic maps of {name}: write {paths[0]} or {paths[1].name}")
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True).float().numpy()
        values = values[0] if values.ndim == 4 else values
        height, width = lr.shape[:2]
        factors = {values.shape[1] / height, values.shape[2] / width} if values.ndim == 3 else set()
        if len(factors) != 1 or not factors <= {1.0, 4.0} or values.shape[0] != self.classes:
            raise UserError(
                f"{path} has shape {values.shape}; expected ({self.classes}, {height}, {width}) "
                f"or ({self.classes}, {4 * height}, {4 * width})"
            )
        return quantize(values.transpose(1, 2, 0))


MapSource = MapFiles | Clusters


@dataclass(frozen=True, kw_only=True, slots=True)
class SemanticMaps:
    """The semantic maps of a training."""

    training: Mapping[str, Maps]
    """Maps of the training images, by name."""
    source: MapSource
    """Maps of other images."""
    identity: Mapping[str, Any]
    """Settings that decide the maps."""

    @classmethod
    def load(cls, store: PairStore, config: SemanticMapsConfig) -> "SemanticMaps":
        """Load the source, and make the maps of the training images, which are cached."""
        source = load_map_source(config)
        # the content of the maps counts, not their path
        identity = to_record(replace(config, maps=pinned_hash(config.maps)), TRAINING_RECORDS)
        maps = training_maps(store, source, identity)
        return cls(training=maps, source=source, identity=identity)


def load_map_source(config: SemanticMapsConfig) -> MapSource:
    """Map files if the config names a folder, else the clusters that stage `sftnet` has written.

    Raises:
        OSError: if either does not exist.
        UserError: if the content of the folder differs from the hash in params.yaml.
    """
    if config.maps:
        return MapFiles(find_pinned(config.maps), config.classes)
    return Clusters.read(CLUSTERS)


def training_maps(
    store: PairStore, source: MapSource, identity: Mapping[str, Any]
) -> dict[str, Maps]:
    """The maps of all training images, memory-mapped from a cache under the state root."""
    key = record_hash([store.content_hash("train"), dict(identity)])
    folder = state_root() / "conditions" / key[:16]
    paths = {name: folder / f"{name}.npy" for name in store.names("train")}
    for name, path in track("semantic maps", paths.items(), list(paths)):
        if not path.is_file():
            maps = source.maps(name, np.asarray(store.lr(name)))
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, maps)
    return {name: np.load(path, mmap_mode="r") for name, path in paths.items()}


def semantic_method(network: Generator, source: MapSource) -> Method:
    """The method of a network that gets semantic maps as well as LR."""

    def upscale_with_maps(sample: Sample) -> Pixels:
        lr = np.asarray(sample.lr)
        return upscale(network, lr, source.maps(sample.name, lr))

    return upscale_with_maps
