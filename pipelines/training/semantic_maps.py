"""What SFTGAN is told of a image: how likely each class is at each of its pixels.

Semantic maps from disk, as published, where there are some; else soft clusters of color and
texture, found in the training images without any labels. Those name nothing that a person
would, and are no substitute for segmentation in a comparison with the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method, Pixels, Sample
from esrgan_core.files import atomic_path, write_text
from esrgan_core.inference.upscale import upscale
from esrgan_core.models import Generator
from esrgan_core.records import record_hash, to_record
from esrgan_core.strict_json import from_json, to_json
from esrgan_core.tensors import rgb_to_y, to_tensor
from pipelines.config.artifacts import CLUSTERS
from pipelines.runtime.progress import progress
from pipelines.runtime.state import state_root
from pipelines.sources.pinned import find_pinned, pinned_hash
from pipelines.training.record_types import TRAINING_RECORDS

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Maps = UInt8[np.ndarray, "h w k"]
PIXELS_PER_IMAGE = 4000
"""That the clusters are found from."""
SIZES = (3, 9)
"""Pixels a side of the neighborhoods that texture is measured in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SemanticMapsConfig:
    """Where the maps come from."""

    maps: str = ""
    """Folder with a file per image, named as in the pair store (`train/0001.npy`): probabilities
    of shape (classes, height, width) at the size of its LR or HR, as `.npy`, or as `.pth`, which
    OutdoorSceneSeg leaves. With the hash of its content (see `pinned`); empty for clusters."""
    classes: int = 8
    """Channels of the maps, or clusters to find."""
    seed: int = 0
    """Of the clusters."""

    def __post_init__(self) -> None:
        """Refuse what tells nothing."""
        check_bounds(self, "classes", least=2)
        check_bounds(self, "seed", below=2**32)  # as scikit-learn takes them


class Conditions(Protocol):
    """Tells of a image what is to be seen where."""

    def of(self, name: str, lr: Pixels) -> Maps:
        """The maps of a image of the pair store, in 255ths."""
        ...


class MapsOnDisk:
    """Semantic maps that another program has made."""

    def __init__(self, folder: Path, classes: int) -> None:
        """Look into a folder for maps with so many channels."""
        self.folder, self.classes = folder, classes

    def of(self, name: str, lr: Pixels) -> Maps:
        """The maps in the image's file.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it has another shape than it should.
        """
        found = [
            path for end in (".npy", ".pth") if (path := self.folder / f"{name}{end}").exists()
        ]
        if not found:
            raise FileNotFoundError(f"no maps of {name} at {self.folder / name}.npy or .pth")
        path = found[0]
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True).float().numpy()
        values = values[0] if values.ndim == 4 else values
        height, width = lr.shape[:2]
        factors = {values.shape[1] / height, values.shape[2] / width} if values.ndim == 3 else set()
        if len(factors) != 1 or not factors <= {1.0, 4.0} or values.shape[0] != self.classes:
            raise ValueError(
                f"{path} has shape {values.shape}; ({self.classes}, {height}, {width}) or four "
                "times as high and wide is wanted"
            )
        return _in_255ths(values.transpose(1, 2, 0))


class Clusters:
    """A mixture of Gaussians over color and texture of LR pixels."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Take the mixture as `fit` has found it, or as it was written."""
        self.content = content
        self._mixture = _mixture(content)

    @classmethod
    def fit(cls, store: PairStore, config: SemanticMapsConfig) -> "Clusters":
        """Find the clusters of a store's training images."""
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415

        random = np.random.default_rng(config.seed)
        drawn = []
        for name in store.names("train"):
            values = _color_and_texture(np.asarray(store.lr(name))).reshape(-1, 3 + len(SIZES))
            drawn.append(values[random.permutation(len(values))[:PIXELS_PER_IMAGE]])
        seen = np.concatenate(drawn)
        center, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
        mixture = GaussianMixture(
            config.classes, covariance_type="diag", random_state=config.seed, reg_covar=1e-4
        ).fit((seen - center) / spread)
        found = {
            "center": center,
            "spread": spread,
            "weights": mixture.weights_,
            "means": mixture.means_,
            "covariances": mixture.covariances_,
        }
        return cls({name: np.asarray(values).tolist() for name, values in found.items()})

    def write(self, path: Path) -> None:
        """Leave the mixture as JSON."""
        write_text(path, to_json(self.content) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Clusters":
        """The mixture that `write` has left."""
        return cls(from_json(path.read_text(encoding="utf-8")))

    def of(self, name: str, lr: Pixels) -> Maps:
        """How likely each cluster is at each pixel of LR."""
        del name
        values = _color_and_texture(lr)
        scaled = (values - self.content["center"]) / np.asarray(self.content["spread"])
        likely = self._mixture.predict_proba(scaled.reshape(-1, scaled.shape[2]))
        return _in_255ths(likely.reshape(*lr.shape[:2], -1))


def _mixture(content: Mapping[str, Any]) -> "GaussianMixture":
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    covariances = np.asarray(content["covariances"])
    mixture = GaussianMixture(len(covariances), covariance_type="diag")
    mixture.weights_ = np.asarray(content["weights"])
    mixture.means_ = np.asarray(content["means"])
    mixture.covariances_ = covariances
    mixture.precisions_cholesky_ = 1 / np.sqrt(covariances)
    return mixture


def _color_and_texture(lr: Pixels) -> Float[np.ndarray, "h w f"]:
    """Mean color of a pixel's neighborhood, and the logarithm of luma's deviation at two sizes."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415  takes a second to import

    color = uniform_filter(lr.astype(np.float64), size=(SIZES[0], SIZES[0], 0))
    luma = rgb_to_y(to_tensor(lr).double())[0, 0].numpy() * 255
    texture = []
    for size in SIZES:
        variance = uniform_filter(luma**2, size) - uniform_filter(luma, size) ** 2
        texture.append(np.log1p(np.sqrt(variance.clip(0))))
    return np.concatenate([color, np.stack(texture, axis=2)], axis=2)


def _in_255ths(likely: Float[np.ndarray, "h w k"]) -> Maps:
    return np.ascontiguousarray(np.clip(likely, 0, 1) * 255 + 0.5).astype(np.uint8)


def conditions_of(config: SemanticMapsConfig) -> Conditions:
    """Maps from disk where the config names some, else the clusters that `sftnet` has left.

    Raises:
        OSError: if either is not there.
        ValueError: if the maps are not those that params.yaml has the hash of.
    """
    if config.maps:
        return MapsOnDisk(find_pinned(config.maps), config.classes)
    return Clusters.read(CLUSTERS)


def training_maps(
    store: PairStore, conditions: Conditions, identity: Mapping[str, Any]
) -> dict[str, Maps]:
    """The maps of all training images, kept under the state root and mapped from there."""
    key = record_hash([store.content_hash("train"), dict(identity)])
    folder = state_root() / "conditions" / key[:16]
    names = store.names("train")
    with progress("conditions", len(names)) as advance:
        for number, name in enumerate(names, start=1):
            path = folder / f"{name}.npy"
            if not path.is_file():
                maps = conditions.of(name, np.asarray(store.lr(name)))
                with atomic_path(path) as temporary, temporary.open("wb") as file:
                    np.save(file, maps)
            advance(number, name)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class SemanticMaps:
    """What a training's network is told: the maps of its images, and what makes others'."""

    maps: Mapping[str, Maps]
    conditions: Conditions
    identity: Mapping[str, Any]

    @classmethod
    def of(cls, store: PairStore, config: SemanticMapsConfig) -> "SemanticMaps":
        """Read or make the maps of a store's training images."""
        conditions = conditions_of(config)
        # the content of the maps counts, not where they are
        identity = to_record(replace(config, maps=pinned_hash(config.maps)), TRAINING_RECORDS)
        maps = training_maps(store, conditions, identity)
        return cls(maps=maps, conditions=conditions, identity=identity)


def conditioned(network: Generator, conditions: Conditions) -> Method:
    """The method of a network that gets semantic maps next to LR."""

    def upscale_with_maps(sample: Sample) -> Pixels:
        lr = np.asarray(sample.lr)
        return upscale(network, lr, conditions.of(sample.name, lr))

    return upscale_with_maps
