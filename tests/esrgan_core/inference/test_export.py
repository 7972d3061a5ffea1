"""What is exported computes the same, at every size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.inference import export
from esrgan_core.inference.export import (
    MAX_DIFFERENCE,
    MAX_DIFFERENCE_FP16,
    SIZES,
    ParityError,
    export_onnx,
)
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import (
    GeneratorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRResNetConfig,
)
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.srcnn import SRCNN

NETWORKS: list[GeneratorConfig] = [
    RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr"),
    RRDBNetConfig(scale=2, num_features=8, num_blocks=1, growth_channels=4, init="basicsr"),
    RRDBNetConfig(
        scale=2, unshuffle=1, num_features=8, num_blocks=1, growth_channels=4, init="basicsr"
    ),
    SRResNetConfig(num_features=8, num_blocks=1),
    SRCNNConfig(),
]


@pytest.mark.parametrize(
    ("config", "fp16"),
    [*((config, False) for config in NETWORKS), (NETWORKS[1], True), (NETWORKS[3], True)],
    ids=str,
)
def test_onnx_runtime_gives_the_same_at_any_size(
    config: GeneratorConfig, fp16: bool, tmp_path: Path
) -> None:
    from onnxruntime import InferenceSession

    torch.manual_seed(0)
    network = build_generator(config).eval()
    differences: dict[tuple[int, int], float] = {}
    path = tmp_path / "network.onnx"
    export_onnx(network, path, differences.__setitem__, fp16=fp16)
    limit = MAX_DIFFERENCE_FP16 if fp16 else MAX_DIFFERENCE
    assert tuple(differences) == SIZES
    assert max(differences.values()) <= limit
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    (lr_input,), (sr_output,) = session.get_inputs(), session.get_outputs()
    assert lr_input.shape == ["batch", 3, "height", "width"]
    assert sr_output.shape == ["batch", 3, f"{config.scale}*height", f"{config.scale}*width"]
    assert lr_input.type == sr_output.type == "tensor(float)"
    lr = np.random.default_rng(1).random((2, 3, 41, 54), dtype=np.float32)
    (found,) = session.run(["sr"], {"lr": lr})
    with torch.inference_mode():
        assert np.abs(found - network(torch.from_numpy(lr)).numpy()).max() <= limit


def weight_types(path: Path) -> set[int]:
    import onnx

    return {one.data_type for one in onnx.load(path).graph.initializer if len(one.dims) == 4}


def test_fp16_stores_every_weight_in_half_the_bytes(tmp_path: Path) -> None:
    import onnx

    network = build_generator(NETWORKS[0]).eval()
    for fp16, kind in ((False, onnx.TensorProto.FLOAT), (True, onnx.TensorProto.FLOAT16)):
        path = tmp_path / f"{fp16}.onnx"
        export_onnx(network, path, lambda size, apart: None, fp16=fp16)
        assert weight_types(path) == {kind}
    assert next(network.parameters()).dtype == torch.float32


def test_weights_too_large_for_fp16_are_not_written(tmp_path: Path) -> None:
    network = SRCNN(SRCNNConfig()).eval()
    network.conv3.bias.data.fill_(7e4)  # type: ignore[union-attr]  # it has one
    with pytest.raises(ParityError, match="differs by inf"):
        export_onnx(network, tmp_path / "g.onnx", lambda size, apart: None, fp16=True)
    assert not list(tmp_path.iterdir())


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
