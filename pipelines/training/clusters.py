"""Semantic maps without labels: soft clusters of color and texture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Pixels
from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from esrgan_core.tensors import rgb_to_y, to_tensor

Maps = UInt8[np.ndarray, "h w k"]
"""Probabilities of the classes at each pixel, in 255ths."""
PIXELS_PER_IMAGE = 4000
"""Pixels of each image that the clusters are fitted to."""
TEXTURE_SIZES = (3, 9)
"""Sides, in pixels, of the neighborhoods whose contrast is measured."""


def quantize(probabilities: Float[np.ndarray, "h w k"]) -> Maps:
    """Round probabilities to 255ths."""
    return np.ascontiguousarray(np.clip(probabilities, 0, 1) * 255 + 0.5).astype(np.uint8)


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

    @classmethod
    def read(cls, path: Path) -> "Clusters":
        """Read the clusters that `write` has written."""
        return cls(from_json(path.read_text(encoding="utf-8")))

    def maps(self, name: str, lr: Pixels) -> Maps:
        """Probability of each cluster at each pixel of LR."""
        del name
        scaled = (_features(lr) - self.content["center"]) / np.asarray(self.content["spread"])
        probabilities = self._mixture.predict_proba(scaled.reshape(-1, scaled.shape[2]))
        return quantize(probabilities.reshape(*lr.shape[:2], -1))


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
