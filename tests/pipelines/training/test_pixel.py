from pathlib import Path

import pytest

from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.models.configs import RRDBNetConfig
from pipelines.config.errors import UserError
from pipelines.training.pixel import PixelTraining, train_for_pixels


def test_parameters_that_the_network_does_not_have_are_a_user_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    optimizer = OptimizerConfig(learning_rate=1e-3, rate_factors={"conv9": 0.1})
    config = PixelTraining(steps=2, patch_size=32, batch_size=1, optimizer=optimizer)
    with pytest.raises(UserError, match=r"rate_factors.*conv9"):
        train_for_pixels("pretrain", RRDBNetConfig(num_features=4, num_blocks=1), config)
