"""Images of a run whose names are the same in every attempt to log them."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid5

from esrgan_core.io.rgb import read_rgb
from pipelines.tracking.client import client


def log_images(run_id: str, images: Mapping[str, Path], step: int, time: int) -> None:
    """Log images for the grid of the UI as `MlflowClient.log_image` does, but idempotently.

    MLflow's names contain a random number and the current time, so a repeated attempt would log
    the images twice. `time` is in milliseconds since 1970 and must be the same in every attempt.
    """
    from mlflow.tracking.multimedia import (  # noqa: PLC0415
        compress_image_size,
        convert_to_pil_image,
    )
    from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES  # noqa: PLC0415

    if not images:
        return
    with TemporaryDirectory() as folder:
        for key, path in images.items():
            image = convert_to_pil_image(read_rgb(path))
            number = uuid5(UUID(run_id), f"{key} {step}")
            name = f"{key.replace('/', '~')}+step+{step}+timestamp+{time}+{number}"
            image.save(Path(folder, f"{name}.png"))
            compress_image_size(image).save(Path(folder, f"{name}+compressed.webp"))
        client().log_artifacts(run_id, folder, "images")
    client().set_tag(run_id, MLFLOW_LOGGED_IMAGES, str(True))
