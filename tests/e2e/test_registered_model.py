"""The model in MLflow's registry, loaded without the repository."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from esrgan_core.inference.upscale import upscale
from esrgan_core.models.weights import load_generator
from tests.conftest import textured
from tests.e2e.conftest import Run

LOAD_WITHOUT_REPOSITORY = """
import importlib.util, sys
sys.path[:] = [p for p in sys.path if p] + [SITE]
assert importlib.util.find_spec("esrgan_core") is None, "the repository can be imported"
import mlflow, pandas as pd
from pathlib import Path
mlflow.set_tracking_uri(STORE)
model = mlflow.pyfunc.load_model("models:/esrgan@ALIAS")
for path in sorted(Path(FOLDER).glob("*.png")):
    for alpha in (None, 0.0, 0.5, 1.0):
        params = {} if alpha is None else {"alpha": alpha}
        out = model.predict(pd.DataFrame({"image": [path.read_bytes()]}), params=params)
        path.with_suffix(f".{alpha}.out").write_bytes(out["image"][0])
"""


def test_the_registered_model_upscales_any_size_without_the_repository(
    run: Run, project: Path, tmp_path: Path
) -> None:
    sizes = [(24, 36), (17, 31), (45, 8)]
    for number, (height, width) in enumerate(sizes):
        Image.fromarray(textured(height, width, seed=number)).save(tmp_path / f"{number}.png")
    decision = json.loads((project / "artifacts/register/decision.json").read_text())
    # -I and -S remove the folder and the editable installation from the path
    code = (
        LOAD_WITHOUT_REPOSITORY.replace("SITE", repr(str(Path(np.__file__).parents[1])))
        .replace("STORE", repr(f"sqlite:///{project}/.esrgan/mlflow.db"))
        .replace("ALIAS", decision["alias"])
        .replace("FOLDER", repr(str(tmp_path)))
    )
    run("python", "-I", "-S", "-c", code)
    networks = {
        alpha: load_generator(project / f"artifacts/{stage}/generator.safetensors")
        for alpha, stage in ((0.0, "pretrain"), (1.0, "finetune"))
    }
    for number, (height, width) in enumerate(sizes):
        lr = textured(height, width, seed=number)
        results = {}
        for alpha in (None, 0.0, 0.5, 1.0):
            data = (tmp_path / f"{number}.{alpha}.out").read_bytes()
            results[alpha] = np.asarray(Image.open(BytesIO(data)))
            assert results[alpha].shape == (4 * height, 4 * width, 3)
        for alpha, network in networks.items():
            assert np.array_equal(results[alpha], upscale(network, lr))
        assert np.array_equal(results[None], results[0.5])
        assert not np.array_equal(results[0.0], results[1.0])
