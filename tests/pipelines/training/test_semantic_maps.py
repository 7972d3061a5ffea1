from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.models.configs import SFTNetConfig
from esrgan_core.models.sft import SFTNet
from esrgan_core.strict_json import from_json
from pipelines.config.errors import UserError
from pipelines.evaluation.test_sets import load_samples
from pipelines.training.semantic_maps import Clusters, MapFiles, semantic_method, training_maps


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("suffix", [".npy", ".pth"])
def test_map_files_are_read_unchanged(tmp_path: Path, factor: int, suffix: str) -> None:
    probabilities = np.random.default_rng(0).random((5, 6 * factor, 7 * factor)).astype(np.float32)
    path = tmp_path / f"train/a{suffix}"
    path.parent.mkdir()
    if suffix == ".npy":
        np.save(path, probabilities)
    else:
        torch.save(torch.from_numpy(probabilities)[None], path)
    maps = MapFiles(tmp_path, classes=5).maps("train/a", np.zeros((6, 7, 3), np.uint8))
    assert np.allclose(maps / 255, probabilities.transpose(1, 2, 0), atol=0.5 / 255 + 1e-6)


def test_missing_maps_and_maps_of_a_wrong_shape_are_errors(tmp_path: Path) -> None:
    files = MapFiles(tmp_path, classes=5)
    lr = np.zeros((6, 7, 3), np.uint8)
    with pytest.raises(UserError, match=r"no semantic maps of a: write .*a\.npy or a\.pth"):
        files.maps("a", lr)
    for shape in ((5, 12, 14), (4, 6, 7), (6, 7), (5, 6, 28)):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        with pytest.raises(UserError, match=r"expected \(5, 6, 7\) or \(5, 24, 28\)"):
            files.maps("a", lr)


def test_maps_of_training_images_are_cached(
    store: PairStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    for name in store.names("train"):
        height, width = store.lr(name).shape[:2]
        path = tmp_path / "maps" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((3, height, width), 0.5))
    files = MapFiles(tmp_path / "maps", classes=3)
    first = training_maps(store, files, {"classes": 3})
    (tmp_path / "maps").rename(tmp_path / "gone")
    again = training_maps(store, files, {"classes": 3})
    assert first.keys() == again.keys() == set(store.names("train"))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_the_maps_of_a_sample_are_found_by_its_name(store: PairStore, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SFTNet(
        SFTNetConfig(num_features=4, num_blocks=1, num_classes=3, condition_features=4)
    ).eval()
    sample = replace(load_samples(store, "test")[0], name="a")
    height, width = sample.lr.shape[:2]
    for index, name in enumerate("ab"):
        maps = np.zeros((3, height, width))
        maps[index] = 1
        np.save(tmp_path / f"{name}.npy", maps)
    method = semantic_method(network, MapFiles(tmp_path, classes=3))
    first, second = method(sample), method(replace(sample, name="b"))
    assert first.shape == (4 * height, 4 * width, 3)
    assert not np.array_equal(first, second)


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
    written = Clusters(from_json((tmp_path / "clusters.json").read_text()))
    lr = np.asarray(store.lr(store.names("val")[0]))
    for other in (written, Clusters.fit(store, 3, 0)):
        assert np.array_equal(other.maps("", lr), clusters.maps("", lr))


def test_flat_and_rough_regions_have_different_clusters(clusters: Clusters) -> None:
    random = np.random.default_rng(0)
    lr = np.full((40, 80, 3), 128, np.uint8)
    lr[:, 40:] = random.integers(0, 256, (40, 40, 3))
    main = clusters.maps("", lr).argmax(axis=2)
    left, right = main[:, 5:30], main[:, 50:75]
    assert np.bincount(left.ravel()).argmax() != np.bincount(right.ravel()).argmax()
