from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from esrgan_core.image import read_rgb, to_tensor
from esrgan_core.metrics import METRICS
from esrgan_core.metrics.niqe import niqe
from esrgan_core.metrics.psnr import psnr
from esrgan_core.metrics.ssim import ssim
from esrgan_core.ops import crop_to_multiple
from esrgan_core.resize import bicubic_pair, resize_pixels
from tests.conftest import textured


@pytest.mark.parametrize(
    ("name", "psnr_y", "ssim_y"), [("baboon", 22.441899, 0.453098), ("comic", 21.720398, 0.585511)]
)
def test_bicubic_scores_equal_matlabs(
    test_data: Path, name: str, psnr_y: float, ssim_y: float
) -> None:
    hr = crop_to_multiple(read_rgb(test_data / "sets" / "Set14" / "HR" / f"{name}.png"), 12)
    images = to_tensor(resize_pixels(bicubic_pair(hr, 4)[1], 4)), to_tensor(hr)
    assert METRICS["psnr_y"](*images, 4) == pytest.approx(psnr_y, abs=1e-6)
    assert METRICS["ssim_y"](*images, 4) == pytest.approx(ssim_y, abs=1e-6)


# recorded from the authors' MATLAB code on rgb2gray; smooth pictures are rounding-sensitive
@pytest.mark.parametrize(
    ("name", "expected", "tolerance"),
    [
        ("I03", 15.7536, 0.02),
        ("I04", 3.6549, 0.001),
        ("I06", 3.2355, 0.0015),
        ("I08", 3.1840, 0.021),
        ("I19", 8.6352, 0.5),
    ],
)
def test_niqe_equals_the_authors(
    test_data: Path, name: str, expected: float, tolerance: float
) -> None:
    rgb = read_rgb(test_data / "iqa" / "dist_dir" / f"{name}.bmp").astype(float)
    gray = np.floor(rgb @ [0.298936021293775, 0.587043074451121, 0.114020904255103] + 0.5)
    assert niqe(gray) == pytest.approx(expected, abs=tolerance)


@given(a=st.integers(0, 99), b=st.integers(100, 199))
def test_psnr_is_symmetric(a: int, b: int) -> None:
    first, second = to_tensor(textured(8, 8, a)), to_tensor(textured(8, 8, b))
    assert psnr(first, second) == psnr(second, first)


def test_identical_pictures_score_infinity_and_one() -> None:
    image = to_tensor(textured(32, 32))
    assert METRICS["psnr_y"](image, image, 4) == float("inf")
    assert METRICS["ssim_y"](image, image, 4) == pytest.approx(1)
    assert METRICS["rmse_y"](image, image, 4) == 0


def test_ssim_equals_skimages() -> None:
    first, second = (textured(40, 50, seed)[..., 0] / 255 for seed in (1, 2))
    expected = structural_similarity(
        first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1,
        full=True,
    )[1][5:-5, 5:-5].mean()  # fmt: skip
    tensors = (torch.from_numpy(array)[None, None] for array in (first, second))
    assert float(ssim(*tensors)) == pytest.approx(expected, abs=1e-9)


def test_noise_raises_niqe() -> None:
    image = textured(200, 300).mean(axis=2).round()
    noise = np.random.default_rng(0).normal(0, 40, image.shape)
    assert niqe(np.clip(image + noise, 0, 255).round()) > niqe(image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((100, 150)), "two blocks of 96x96, got 150x100"),
        (np.full((200, 200), 9.0), "not flat"),
    ],
)
def test_niqe_says_what_it_cannot_judge(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        niqe(image)


def test_ssim_says_what_is_too_small() -> None:
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20))
