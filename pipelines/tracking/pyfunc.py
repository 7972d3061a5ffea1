"""The code of the registered model, which MLflow runs wherever the model is loaded.

It may import only the library, which is stored with the model.
"""

import os
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, get_args

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import SUFFIX_FORMATS
from esrgan_core.io.decoding import BadImageError, reason
from esrgan_core.io.formats import check_size, convert_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.writing import encode
from esrgan_core.memory import free_memory
from esrgan_core.models.build import load_state
from esrgan_core.models.weights import interpolate, load_generator, network_state
from esrgan_core.precision import PrecisionChoice

MAX_PIXELS = int(os.environ.get("ESRGAN_SERVE_PIXELS", 16 * 10**6))
"""Of an input image, by its header."""


class EsrganModel(PythonModel):
    """Both generators; a call interpolates between them."""

    def load_context(self, context: Any) -> None:
        """Load both networks."""
        self.psnr = load_generator(Path(context.artifacts["psnr"]))
        self.gan = load_generator(Path(context.artifacts["gan"]))
        self.network = load_generator(Path(context.artifacts["psnr"]))
        self.upscalers: dict[tuple[float, str], Upscaler] = {}
        self.lock = Lock()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Upscale every image of the column `image` (bytes of a file) to bytes of a file.

        Images have any mode and size. `params` are `alpha` in [0, 1], `format` png, jpg, webp or
        tif, and `precision` fp32, bf16 or auto.

        Raises:
            MlflowException: if a parameter or an image is invalid; a server responds with 400.
        """
        params = params or {}
        upscaler = self._upscaler(params["alpha"], params.get("precision", "fp32"))
        format_ = SUFFIX_FORMATS.get(f".{params.get('format', 'png')}")
        if format_ is None:
            raise _invalid(f"no format {params['format']!r}; there are png, jpg, webp, tif")
        results = []
        for number, data in enumerate(model_input["image"], start=1):
            if not isinstance(data, bytes | bytearray | memoryview):
                raise _invalid(f"image {number} is {data!r:.40}, not the bytes of a file")
            source = BytesIO(data)
            try:
                height, width = image_size(source)
                if height * width > MAX_PIXELS:
                    limit = f"the {MAX_PIXELS} that this server accepts"
                    raise BadImageError(f"{width}x{height} pixels are more than {limit}")
                check_size(*upscaler.output_size(height, width)[::-1], format_)
                result = convert_to(upscaler(read_image(source)), format_)
                results.append(encode(result, format_))
            except Exception as error:
                raise _invalid(f"image {number}: {reason(error)}") from error
        return pd.DataFrame({"image": results})

    def _upscaler(self, alpha: float | None, precision: str | None) -> Upscaler:
        """The upscaler of the last call, or a new one if the parameters changed."""
        # MLflow checks types by the signature, but accepts None
        if alpha is None or not 0 <= alpha <= 1:
            raise _invalid(f"alpha must lie in [0, 1], got {alpha}")
        if precision is None or precision not in get_args(PrecisionChoice):
            raise _invalid(f"no precision {precision!r}; there are {get_args(PrecisionChoice)}")
        key = alpha, precision
        with self.lock:  # a server handles requests concurrently
            if key not in self.upscalers:
                state = interpolate(self.psnr.state_dict(), self.gan.state_dict(), alpha)
                load_state(self.network, state, Path("the registered model"))
                config = UpscaleConfig(precision=precision)  # type: ignore[arg-type]  # just checked
                network = network_state(self.network)
                self.upscalers = {key: Upscaler(network, config, free_memory=free_memory)}
            return self.upscalers[key]


def _invalid(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(EsrganModel())
