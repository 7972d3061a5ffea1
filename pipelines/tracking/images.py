"""Images of a run under names that are the same at each attempt to log them."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid5

from esrgan_core.io.rgb import read_rgb
from pipelines.tracking.client import client

FOLDER = "images"


def log_images(run_id: str, images: Mapping[str, Path], step: int, time: int) -> None:
    """Log images for the UI's grid as `MlflowClient.log_image` does; again is no second time.

    MLflow puts a random number and the present into their names, so that an attempt after one
    that was cut would add them once more.

    Args:
        run_id: 32 hexadecimal digits.
        images: file by key.
        step: that they are of.
        time: in milliseconds since 1970, the same at each attempt.
    """
    from mlflow.tracking.multimedia import (  # noqa: PLC0415
        compress_image_size,
        convert_to_pil_image,
    )
    from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES  # noqa: PLC0415

    if not images:
        return
    with TemporaryDirectory() as place:
        for key, path in images.items():
            image = convert_to_pil_image(read_rgb(path))
            number = uuid5(UUID(run_id), f"{key} {step}")
            name = f"{key.replace('/', '~')}+step+{step}+timestamp+{time}+{number}"
            image.save(Path(place, f"{name}.png"))
            compress_image_size(image).save(Path(place, f"{name}+compressed.webp"))
        client().log_artifacts(run_id, place, FOLDER)
    client().set_tag(run_id, MLFLOW_LOGGED_IMAGES, str(True))
