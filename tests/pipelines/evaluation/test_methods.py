"""Contenders measured on the same images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.engine.evaluation import Method, Sample, network_method
from esrgan_core.io.resize import resize_pixels
from esrgan_core.metrics import METRICS
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.weights import save_weights
from esrgan_core.tensors import NotFiniteError
from pipelines.evaluation.alpha_grid import (
    format_alpha,
    grid_results,
    grid_scores,
    write_grid_results,
)
from pipelines.evaluation.benchmark import score_methods
from pipelines.evaluation.bootstrap import interval_table
from pipelines.evaluation.methods import LastResultCache, bicubic, image_interpolation, load_network
from pipelines.evaluation.score_table import mask_incomplete, means_by_model, set_means
from tests.conftest import textured


def test_what_one_contender_cannot_be_judged_on_counts_for_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (208, 216, 3)).astype(np.uint8) for _ in range(2)]
    samples = [
        Sample(name=f"own/{name}", set="own", lr=np.asarray(resize_pixels(hr, 0.25)), hr=hr)
        for name, hr in zip("ab", images, strict=True)
    ]

    def blank_on_b(sample: Sample) -> np.ndarray:
        enlarged = np.asarray(resize_pixels(sample.lr, 4))
        return np.zeros_like(enlarged) if sample is samples[1] else enlarged

    metrics = {name: METRICS[name] for name in ("psnr_y", "niqe")}
    raw, _ = score_methods(
        {"bicubic": bicubic(4), "blank": blank_on_b}, samples, metrics, 4, "test"
    )
    assert raw["niqe"].isna().tolist() == [False, False, False, True]
    frame = mask_incomplete(raw)
    assert frame["niqe"].isna().tolist() == [False, True, False, True]
    assert frame["psnr_y"].notna().all()
    said = "own/b is left out of niqe: blank: NIQE needs two blocks that are not flat"
    assert said in capsys.readouterr().err
    means = means_by_model(set_means(frame))
    assert means["bicubic"]["own"]["niqe"] == round(frame["niqe"][0], 6)
    counts = interval_table(frame).set_index(["model", "metric"])["count"]
    assert (counts["bicubic", "niqe"], counts["bicubic", "psnr_y"]) == (1, 2)


def test_a_result_that_is_not_finite_names_contender_and_picture() -> None:
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2)).eval()
    for weights in network.parameters():
        weights.data.mul_(1e12)
    sample = Sample(name="own/a", set="own", lr=textured(8, 10), hr=textured(32, 40))
    methods: dict[str, Method] = {"bicubic": bicubic(4), "gan": network_method(network)}
    with pytest.raises(NotFiniteError, match="gan on own/a: the network's result is not finite"):
        score_methods(methods, [sample], {"psnr_y": METRICS["psnr_y"]}, 4, "test")


@pytest.mark.parametrize("name", ["a", "NA", "nan", "null", "None", "007", "1e5", "inf"])
def test_results_of_a_grid_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hr = textured(32, 40, seed=1)
    sample = Sample(name=f"test/{name}/{name}", set=name, lr=textured(8, 10, seed=2), hr=hr)
    methods = {format_alpha(alpha): bicubic(4) for alpha in (0.0, 1 / 3, 1.0)}
    metrics = {"psnr_y": METRICS["psnr_y"]}
    frame, images = score_methods(methods, [sample], metrics, 4, "test", {sample.name})
    results = {alpha: images[format_alpha(alpha)] for alpha in (0.0, 1 / 3, 1.0)}
    write_grid_results(frame.rename(columns={"model": "alpha"}), results)
    for alpha, (before,) in results.items():
        (after,) = grid_results(alpha, [sample])
        assert after.values == before.values
        (row,) = set_means(mask_incomplete(grid_scores(alpha).assign(model="m"))).to_dict("records")
        assert row == {"model": "m", "set": name, **before.values}
        assert np.array_equal(after.sr, before.sr)


def test_a_mixture_runs_no_network_twice() -> None:
    runs = []

    def network(sample: Sample) -> np.ndarray:
        runs.append(sample)
        return sample.lr

    ends = LastResultCache(network), LastResultCache(lambda sample: sample.lr)
    samples = [
        Sample(name=name, set="own", lr=textured(32, 32, seed=seed), hr=textured(32, 32, seed=seed))
        for seed, name in enumerate("ab")
    ]
    mixtures = {format_alpha(alpha): image_interpolation(*ends, alpha) for alpha in (0.0, 0.5, 1.0)}
    score_methods(
        {"network": ends[0], **mixtures}, samples, {"psnr_y": METRICS["psnr_y"]}, 1, "test"
    )
    assert len(runs) == len(samples)


def test_networks_are_measured_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2))
    save_weights(tmp_path / "g.safetensors", network.state_dict(), network.config, {})
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    for name, device in {"": auto, "auto": auto, "cpu": "cpu"}.items():
        monkeypatch.setenv("ESRGAN_DEVICE", name)
        measured, _ = load_network(tmp_path / "g.safetensors")
        assert {one.device.type for one in measured.parameters()} == {device}
    monkeypatch.setenv("ESRGAN_DEVICE", "cuda:77")
    with pytest.raises(ValueError, match="device 'cuda:77' cannot be used"):
        load_network(tmp_path / "g.safetensors")
