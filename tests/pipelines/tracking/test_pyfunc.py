"""The code of the registered model."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image

from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_weights
from pipelines.tracking import pyfunc
from tests.support.networks import SMALL


@pytest.fixture
def model(tmp_path: Path) -> pyfunc.EsrganModel:
    save_weights(tmp_path / "a.safetensors", RRDBNet(SMALL).state_dict(), SMALL, {})
    found = pyfunc.EsrganModel()
    artifacts = dict.fromkeys(("psnr", "gan"), str(tmp_path / "a.safetensors"))
    found.load_context(SimpleNamespace(artifacts=artifacts))
    return found


@pytest.mark.parametrize("step", ["read_image", "encode"])
def test_any_error_of_an_image_names_it(
    model: pyfunc.EsrganModel, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(buffer, "PNG")
    real, calls = getattr(pyfunc, step), list[int]()

    def failing(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("tag")
        return real(*args)

    monkeypatch.setattr(pyfunc, step, failing)
    images = pd.DataFrame({"image": [buffer.getvalue()] * 3})
    with pytest.raises(MlflowException, match="image 2: KeyError: 'tag'") as raised:
        model.predict(None, images, {"alpha": 0.5})
    assert raised.value.get_http_status_code() == 400
