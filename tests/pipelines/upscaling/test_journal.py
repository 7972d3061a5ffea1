from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import GeneratorConfig, SRCNNConfig
from esrgan_core.models.weights import network_state, save_weights
from pipelines.upscaling.jobs import Output
from pipelines.upscaling.journal import UPSCALING_RECORDS, settings_key
from pipelines.upscaling.model import Model, load_model
from tests.support.networks import SMALL


def test_the_record_of_an_output_has_all_its_fields() -> None:
    record = UPSCALING_RECORDS["Output"]
    assert record.names.keys() == {field.name for field in fields(Output)}
    assert record.absent.keys() <= set(record.names.values())


@pytest.mark.parametrize(
    ("config", "key", "ncnn_key"),
    [
        (SMALL, "b54db53db5fe590f", "f8d7b38149f35437"),
        (
            replace(SMALL, scale=2, block="residual", batch_norm=True),
            "d8c8f9ed13185dd0",
            "baa7205e279c62cc",
        ),
        (SRCNNConfig(scale=2), "51342f5fadd2e6ba", "572b412f64a7c4c7"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_results_of_earlier_versions_are_known_by_their_keys(
    tmp_path: Path, config: GeneratorConfig, key: str, ncnn_key: str
) -> None:
    network = build_generator(config)
    for number, (_, value) in enumerate(sorted(network.state_dict().items())):
        line = np.linspace(0, number, value.numel(), dtype=np.float32)
        value.copy_(torch.from_numpy(line.reshape(value.shape)))
    path = tmp_path / "network.safetensors"
    save_weights(path, network.state_dict(), config, {})
    for model in (
        load_model(str(path), None),
        Model(network=network_state(network), description=""),
    ):
        assert settings_key(model, UpscaleConfig(), Output()) == key
        options = UpscaleConfig(engine="ncnn", precision="fp32")
        assert settings_key(model, options, Output(format="png")) == ncnn_key
