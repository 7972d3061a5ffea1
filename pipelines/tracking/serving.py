"""The registered model's code: MLflow runs this file wherever the model is loaded.

It may import the library, which travels with the model, and nothing else of the repository.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from esrgan_core.image import encode_png, read_rgb
from esrgan_core.inference.upscale import upscale
from esrgan_core.models.weights import interpolate, load_generator, load_state


class EsrganModel(PythonModel):
    """Both generators; every call interpolates between them."""

    def load_context(self, context: Any) -> None:
        """Read both networks."""
        self.psnr = load_generator(Path(context.artifacts["psnr"]))
        self.gan = load_generator(Path(context.artifacts["gan"]))
        self.network = load_generator(Path(context.artifacts["psnr"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Upscale every picture of the column `image` (bytes) to PNG bytes.

        Raises:
            ValueError: if `alpha` lies outside [0, 1] or a picture cannot be read.
        """
        alpha = float((params or {})["alpha"])
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
        state = interpolate(self.psnr.state_dict(), self.gan.state_dict(), alpha)
        load_state(self.network, state, Path("the registered model"))
        pictures = (read_rgb(BytesIO(data)) for data in model_input["image"])
        return pd.DataFrame({"image": [encode_png(upscale(self.network, lr)) for lr in pictures]})


set_model(EsrganModel())
