"""What is exported computes the same, at every size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.inference import export
from esrgan_core.inference.export import MAX_DIFFERENCE, SIZES, ParityError, export_onnx
from esrgan_core.models import GeneratorConfig, build_generator
from esrgan_core.models.rrdb import RRDBNetConfig
from esrgan_core.models.sft import SFTNet, SFTNetConfig
from esrgan_core.models.srcnn import SRCNNConfig
from esrgan_core.models.srresnet import SRResNetConfig


@pytest.mark.parametrize(
    "config",
    [
        RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr"),
        RRDBNetConfig(scale=2, num_features=8, num_blocks=1, growth_channels=4, init="basicsr"),
        SRResNetConfig(num_features=8, num_blocks=1),
        SRCNNConfig(),
    ],
    ids=str,
)
def test_onnx_runtime_gives_the_same_at_any_size(config: GeneratorConfig, tmp_path: Path) -> None:
    from onnxruntime import InferenceSession

    torch.manual_seed(0)
    network = build_generator(config).eval()
    differences: dict[tuple[int, int], float] = {}
    path = tmp_path / "network.onnx"
    export_onnx(network, path, differences.__setitem__)
    assert tuple(differences) == SIZES
    assert max(differences.values()) <= MAX_DIFFERENCE
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    lr = np.random.default_rng(1).random((2, 3, 41, 54), dtype=np.float32)
    (found,) = session.run(["sr"], {"lr": lr})
    with torch.inference_mode():
        assert np.abs(found - network(torch.from_numpy(lr)).numpy()).max() <= MAX_DIFFERENCE


def test_an_export_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_DIFFERENCE", -1.0)
    network = build_generator(SRCNNConfig()).eval()
    with pytest.raises(ParityError, match="nothing was written"):
        export_onnx(network, tmp_path / "network.onnx", lambda size, apart: None)
    assert not list(tmp_path.iterdir())


def test_a_network_with_a_semantic_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a semantic map"):
        export_onnx(SFTNet(SFTNetConfig()), tmp_path / "x.onnx", lambda size, apart: None)
