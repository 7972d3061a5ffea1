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
from jaxtyping import Float, UInt8

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method, Pixels, Sample
from esrgan_core.files import atomic_path, write_text
from esrgan_core.inference.upscale import upscale
from esrgan_core.models.build import Generator
from esrgan_core.records import record_hash, to_record
from esrgan_core.strict_json import from_json, to_json
from esrgan_core.tensors import rgb_to_y, to_tensor
from pipelines.config.artifacts import CLUSTERS
from pipelines.config.errors import UserError
from pipelines.runtime.progress import track
from pipelines.runtime.state import state_root
from pipelines.sources.pinned import find_pinned, pinned_hash
from pipelines.training.config import TRAINING_RECORDS

Maps = UInt8[np.ndarray, "h w k"]
"""Probabilities of the classes at each pixel, in 255ths."""
PIXELS_PER_IMAGE = 4000
"""Pixels of each image that the clusters are fitted to."""
TEXTURE_SIZES = (3, 9)
"""Sides, in pixels, of the neighborhoods whose contrast is measured."""


def _quantize(probabilities: Float[np.ndarray, "h w k"]) -> Maps:
    return np.ascontiguousarray(np.clip(probabilities, 0, 1) * 255 + 0.5).astype(np.uint8)


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
        """Read an image's file; a UserError if it does not exist, or its shape does not match."""
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
        return _quantize(values.transpose(1, 2, 0))


class Clusters:
    """A mixture of Gaussians over color and texture of LR pixels."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415  scikit-learn is slow to import

        self.content, covariances = content, np.asarray(content["covariances"])
        self._mixture = GaussianMixture(len(covariances), covariance_type="diag")
        self._mixture.weights_ = np.asarray(content["weights"])
        self._mixture.means_ = np.asarray(content["means"])
        self._mixture.covariances_ = covariances
        self._mixture.precisions_cholesky_ = 1 / np.sqrt(covariances)

    @classmethod
    def fit(cls, store: PairStore, classes: int, seed: int) -> "Clusters":
        """Fit the clusters to the training images of a store."""
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415  scikit-learn is slow to import

        random = np.random.default_rng(seed)
        drawn = []
        for name in store.names("train"):
            features = _features(np.asarray(store.lr(name))).reshape(-1, 3 + len(TEXTURE_SIZES))
            drawn.append(features[random.permutation(len(features))[:PIXELS_PER_IMAGE]])
        pixels = np.concatenate(drawn)
        center, spread = pixels.mean(axis=0), pixels.std(axis=0) + 1e-6
        mixture = GaussianMixture(
            classes, covariance_type="diag", random_state=seed, reg_covar=1e-4
        ).fit((pixels - center) / spread)
        content = {
            "center": center,
            "spread": spread,
            "weights": mixture.weights_,
            "means": mixture.means_,
            "covariances": mixture.covariances_,
        }
        return cls({name: np.asarray(values).tolist() for name, values in content.items()})

    def write(self, path: Path) -> None:
        """Write the clusters as JSON."""
        write_text(path, to_json(self.content) + "\n")

    def maps(self, name: str, lr: Pixels) -> Maps:
        """Probability of each cluster at each pixel of LR."""
        del name
        scaled = (_features(lr) - self.content["center"]) / np.asarray(self.content["spread"])
        probabilities = self._mixture.predict_proba(scaled.reshape(-1, scaled.shape[2]))
        return _quantize(probabilities.reshape(*lr.shape[:2], -1))


def _features(lr: Pixels) -> Float[np.ndarray, "h w f"]:
    """Mean color near each pixel, and the log standard deviation of luma at each size."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415  scipy is slow to import

    color = uniform_filter(lr.astype(np.float64), size=(TEXTURE_SIZES[0], TEXTURE_SIZES[0], 0))
    luma = rgb_to_y(to_tensor(lr).double())[0, 0].numpy() * 255
    texture = []
    for size in TEXTURE_SIZES:
        variance = uniform_filter(luma**2, size) - uniform_filter(luma, size) ** 2
        texture.append(np.log1p(np.sqrt(variance.clip(0))))
    return np.concatenate([color, np.stack(texture, axis=2)], axis=2)


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
        training = training_maps(store, source, identity)
        return cls(training=training, source=source, identity=identity)


def load_map_source(config: SemanticMapsConfig) -> MapSource:
    """The folder of the config, else the clusters of stage `sftnet`; raises as `find_pinned`."""
    if config.maps:
        return MapFiles(find_pinned(config.maps), config.classes)
    return Clusters(from_json(CLUSTERS.read_text(encoding="utf-8")))


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
