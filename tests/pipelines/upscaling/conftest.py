from pathlib import Path

import pytest

from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_weights
from tests.support.networks import SMALL


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, RRDBNet(SMALL).state_dict(), SMALL, {})
    return path
