from pathlib import Path

import numpy as np
import pytest

from esrgan_core.data.pairs import PairStore
from pipelines.training.clusters import Clusters


@pytest.fixture(scope="module")
def clusters(store: PairStore) -> Clusters:
    return Clusters.fit(store, classes=3, seed=0)


def test_probabilities_of_a_pixel_add_up_to_one(store: PairStore, clusters: Clusters) -> None:
    lr = np.asarray(store.lr(store.names("train")[0]))
    maps = clusters.maps("", lr)
    assert maps.shape == (*lr.shape[:2], 3)
    assert np.abs(maps.astype(int).sum(axis=2) - 255).max() <= 2


def test_written_clusters_and_a_second_fit_are_equal(
    store: PairStore, clusters: Clusters, tmp_path: Path
) -> None:
    clusters.write(tmp_path / "clusters.json")
    lr = np.asarray(store.lr(store.names("val")[0]))
    for other in (Clusters.read(tmp_path / "clusters.json"), Clusters.fit(store, 3, 0)):
        assert np.array_equal(other.maps("", lr), clusters.maps("", lr))


def test_flat_and_rough_regions_have_different_clusters(clusters: Clusters) -> None:
    random = np.random.default_rng(0)
    lr = np.full((40, 80, 3), 128, np.uint8)
    lr[:, 40:] = random.integers(0, 256, (40, 40, 3))
    main = clusters.maps("", lr).argmax(axis=2)
    left, right = main[:, 5:30], main[:, 50:75]
    assert np.bincount(left.ravel()).argmax() != np.bincount(right.ravel()).argmax()
