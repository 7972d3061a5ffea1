"""What SFTGAN is told: maps from disk, or clusters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.models.sft import SFTNet, SFTNetConfig
from pipelines.evaluation.test_sets import load_samples
from pipelines.training.semantic_maps import (
    Clusters,
    MapsOnDisk,
    SemanticMapsConfig,
    conditioned,
    training_maps,
)


@pytest.fixture(scope="module")
def clusters(store: PairStore) -> Clusters:
    return Clusters.fit(store, SemanticMapsConfig(classes=3))


def test_clusters_share_out_every_pixel(store: PairStore, clusters: Clusters) -> None:
    lr = np.asarray(store.lr(store.names("train")[0]))
    maps = clusters.of("", lr)
    assert maps.shape == (*lr.shape[:2], 3)
    assert np.abs(maps.astype(int).sum(axis=2) - 255).max() <= 2


def test_clusters_come_back_from_their_file(
    store: PairStore, clusters: Clusters, tmp_path: Path
) -> None:
    clusters.write(tmp_path / "clusters.json")
    lr = np.asarray(store.lr(store.names("val")[0]))
    again = Clusters.read(tmp_path / "clusters.json")
    assert np.array_equal(again.of("", lr), clusters.of("", lr))
    refit = Clusters.fit(store, SemanticMapsConfig(classes=3))
    assert np.array_equal(refit.of("", lr), clusters.of("", lr))


def test_flat_and_rough_places_are_told_apart(clusters: Clusters) -> None:
    random = np.random.default_rng(0)
    lr = np.full((40, 80, 3), 128, np.uint8)
    lr[:, 40:] = random.integers(0, 256, (40, 40, 3))
    main = clusters.of("", lr).argmax(axis=2)
    left, right = main[:, 5:30], main[:, 50:75]
    assert np.bincount(left.ravel()).argmax() != np.bincount(right.ravel()).argmax()


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("suffix", [".npy", ".pth"])
def test_maps_on_disk_are_read_as_they_are(tmp_path: Path, factor: int, suffix: str) -> None:
    likely = np.random.default_rng(0).random((5, 6 * factor, 7 * factor)).astype(np.float32)
    path = tmp_path / f"train/a{suffix}"
    path.parent.mkdir()
    if suffix == ".npy":
        np.save(path, likely)
    else:
        torch.save(torch.from_numpy(likely)[None], path)
    maps = MapsOnDisk(tmp_path, classes=5)
    found = maps.of("train/a", np.zeros((6, 7, 3), np.uint8))
    assert np.allclose(found / 255, likely.transpose(1, 2, 0), atol=0.5 / 255 + 1e-6)


def test_maps_that_do_not_fit_or_are_not_there_are_named(tmp_path: Path) -> None:
    maps = MapsOnDisk(tmp_path, classes=5)
    lr = np.zeros((6, 7, 3), np.uint8)
    with pytest.raises(FileNotFoundError, match=r"no maps of a at .*a\.npy or \.pth"):
        maps.of("a", lr)
    for shape in ((5, 12, 14), (4, 6, 7), (6, 7), (5, 6, 28)):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        with pytest.raises(ValueError, match=r"\(5, 6, 7\) or four times"):
            maps.of("a", lr)


def test_the_maps_of_a_sample_are_found_by_its_name(
    store: PairStore, clusters: Clusters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    kept = training_maps(store, clusters, {"classes": 3})
    again = training_maps(store, clusters, {"classes": 3})
    assert kept.keys() == again.keys() == set(store.names("train"))
    asked: list[str] = []

    class SemanticMaps:
        def of(self, name: str, lr: np.ndarray) -> np.ndarray:
            asked.append(name)
            return clusters.of(name, lr)

    torch.manual_seed(0)
    network = SFTNet(
        SFTNetConfig(num_features=4, num_blocks=1, num_classes=3, condition_features=4)
    ).eval()
    sample = load_samples(store, "test")[0]
    sr = conditioned(network, SemanticMaps())(sample)
    assert sr.shape == (4 * sample.lr.shape[0], 4 * sample.lr.shape[1], 3)
    assert asked == [sample.name]
