"""The registered model, as a command and served over HTTP."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from esrgan_core.inference.upscale import upscale
from esrgan_core.io.reading import read_image
from esrgan_core.models.build import Generator
from esrgan_core.models.weights import load_interpolated
from tests.conftest import textured
from tests.e2e.conftest import Run, environment
from tests.support.trainings import wait_for

SECONDS = 300
MOST_PIXELS = 10_000


@pytest.fixture(scope="module")
def alias(project: Path) -> str:
    found = json.loads((project / "artifacts/register/decision.json").read_text())["alias"]
    return str(found)


@pytest.fixture(scope="module")
def address(project: Path, alias: str) -> Iterator[str]:
    """The served model, started as in the documentation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = environment(project) | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/.esrgan/mlflow.db",
        "ESRGAN_SERVE_PIXELS": str(MOST_PIXELS),
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/esrgan@{alias}"]
    command += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        command, cwd=project, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/ping", timeout=1).ok
        except requests.RequestException:
            return False

    wait_for(answers, SECONDS, 0.5)
    yield f"http://127.0.0.1:{port}/invocations"
    os.killpg(process.pid, signal.SIGTERM)  # its own group, with the workers
    process.wait(timeout=SECONDS)


def asked(address: str, *files: bytes, **params: object) -> requests.Response:
    images = [[base64.b64encode(data).decode()] for data in files]
    content: Any = {"dataframe_split": {"columns": ["image"], "data": images}, "params": params}
    return requests.post(address, json=content, timeout=SECONDS)


def as_png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def between(project: Path, alpha: float) -> Generator:
    psnr, gan = (
        project / "artifacts" / stage / "generator.safetensors"
        for stage in ("pretrain", "finetune")
    )
    return load_interpolated(psnr, gan, alpha)


def test_images_of_three_sizes_are_served(address: str, project: Path) -> None:
    lrs = [textured(*size, seed=1) for size in ((24, 36), (17, 31), (45, 8))]
    answer = asked(address, *map(as_png, lrs), alpha=1.0)
    assert answer.status_code == 200, answer.text
    network = between(project, 1.0)
    rows = answer.json()["predictions"]
    for row, lr in zip(rows, lrs, strict=True):
        image = read_image(BytesIO(base64.b64decode(row["image"])))
        assert np.array_equal(image.pixels, upscale(network, lr))


def test_modes_and_formats_are_served(address: str) -> None:
    gray = textured(20, 24, seed=2)[..., 0]
    answer = asked(address, as_png(gray), format="tif")
    image = read_image(BytesIO(base64.b64decode(answer.json()["predictions"][0]["image"])))
    assert (image.format, image.pixels.shape) == ("TIFF", (80, 96, 1))


@pytest.mark.parametrize(
    ("data", "params", "message"),
    [
        (b"no image", {}, "image 1: not an image"),
        (as_png(np.zeros((101, 100, 3), np.uint8)), {}, "pixels are more than the 10000"),
        (as_png(np.zeros((9, 9, 3), np.uint8)), {"alpha": 2.0}, "alpha must lie in"),
        (as_png(np.zeros((9, 9, 3), np.uint8)), {"alpha": None}, "alpha must lie in"),
        (as_png(np.zeros((9, 9, 3), np.uint8)), {"format": "gif"}, "no format"),
        (as_png(np.zeros((9, 9, 3), np.uint8)), {"format": None}, "no format"),
        (as_png(np.zeros((9, 9, 3), np.uint8)), {"precision": None}, "no precision"),
    ],
)
def test_a_bad_request_is_answered_with_400(
    address: str, data: bytes, params: dict[str, object], message: str
) -> None:
    answer = asked(address, data, **params)
    assert answer.status_code == 400
    assert message in answer.text


def test_the_command_uses_the_registered_model(
    esrgan: Run, project: Path, alias: str, tmp_path: Path
) -> None:
    lr = textured(20, 28, seed=3)
    (tmp_path / "a.png").write_bytes(as_png(lr))
    args = ["upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    args += ["--model", f"models:/esrgan@{alias}", "--alpha", "0", "--precision", "fp32"]
    printed = esrgan(*args)
    assert "alpha 0: 1 to upscale x4" in printed
    network = between(project, 0.0)
    assert np.array_equal(read_image(tmp_path / "b.png").pixels, upscale(network, lr))
