from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from esrgan_core.data.provenance import identify_downscaler, known_downscalings
from esrgan_core.io.resize import CONVENTIONS, bicubic_pair
from esrgan_core.io.rgb import read_rgb
from tests.conftest import textured

COFFEE = read_rgb(Path(str(files("skimage") / "data" / "coffee.png")))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matlabs_conventions_are_told_apart(convention: str, scale: int) -> None:
    lr = bicubic_pair(COFFEE, scale, convention)[1]  # type: ignore[arg-type]  # one of them
    found = identify_downscaler(COFFEE, lr, scale)
    assert found.psnr == float("inf")
    assert found.name.startswith("MATLAB")
    # away from the border the last two are one
    assert convention in found.name or convention.startswith("per_pass")


def by_torch(hr: NDArray[np.uint8], scale: int, mode: str) -> NDArray[np.uint8]:
    """torch resizes without antialiasing by OpenCV's kernels."""
    image = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double()
    small = interpolate(image, scale_factor=1 / scale, mode=mode)[0]
    return small.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("bicubic", "OpenCV INTER_CUBIC"),
        ("bilinear", "OpenCV INTER_LINEAR"),
        ("area", "OpenCV INTER_AREA"),
        ("nearest", "nearest neighbor"),
    ],
)
def test_other_programs_are_named(mode: str, name: str) -> None:
    # by other factors some of them are one: by 3 all sample the middle pixel
    hr = bicubic_pair(COFFEE, 4)[0]
    found = identify_downscaler(COFFEE, by_torch(hr, 4, mode), 4)
    assert found.name == name
    assert not found.name.startswith("MATLAB")


def test_pillow_is_named() -> None:
    height, width = COFFEE.shape[0] // 4, COFFEE.shape[1] // 4
    cropped = Image.fromarray(COFFEE[: 4 * height, : 4 * width])
    lr = np.asarray(cropped.resize((width, height), Image.Resampling.BICUBIC))
    assert identify_downscaler(COFFEE, lr, 4).name == "Pillow BICUBIC"


def test_what_nobody_made_is_unknown() -> None:
    lr = textured(COFFEE.shape[0] // 4, COFFEE.shape[1] // 4)
    found = identify_downscaler(COFFEE, lr, 4)
    assert found.name == "unknown"
    assert found.psnr < 18


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10x10 pixels, its HR by 4 is 150x100"):
        identify_downscaler(COFFEE, np.zeros((10, 10, 3), np.uint8), 4)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_every_generator_gives_the_same_size(scale: int) -> None:
    sizes = {made.shape for made in known_downscalings(textured(67, 90), scale).values()}
    assert sizes == {(67 // scale, 90 // scale, 3)}
