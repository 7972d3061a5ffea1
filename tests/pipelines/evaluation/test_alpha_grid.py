from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from esrgan_core.engine.evaluation import Sample
from esrgan_core.metrics import METRICS
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.weights import save_weights
from pipelines.config.artifacts import FINETUNED, PRETRAINED
from pipelines.evaluation.alpha_grid import (
    format_alpha,
    grid_methods,
    grid_results,
    grid_scores,
    write_grid_results,
)
from pipelines.evaluation.benchmark import score_methods
from pipelines.evaluation.methods import bicubic
from pipelines.evaluation.score_table import mask_incomplete, set_means
from tests.conftest import textured


@pytest.mark.parametrize("name", ["a", "NA", "nan", "null", "None", "007", "1e5", "inf"])
def test_stored_results_are_read_unchanged(
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


def test_image_interpolation_runs_no_network_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2))
    for path in (PRETRAINED, FINETUNED):
        save_weights(path, network.state_dict(), network.config, {})
    samples = [
        Sample(name=name, set="own", lr=textured(8, 8, seed=seed), hr=textured(32, 32, seed=seed))
        for seed, name in enumerate("ab")
    ]
    networks, images = grid_methods([0.0, 0.5, 1.0])
    layers: list[torch.nn.Module] = []
    hook = register_module_forward_hook(lambda module, *_: layers.append(module))
    counts = []
    for methods in (networks, networks | images):
        layers.clear()
        score_methods(methods, samples, {"psnr_y": METRICS["psnr_y"]}, 4, "test")
        counts.append(len(layers))
    hook.remove()
    assert counts[0] == counts[1] > 0
