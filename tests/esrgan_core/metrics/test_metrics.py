from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import bicubic_pair, resize_pixels
from esrgan_core.io.rgb import read_rgb
from esrgan_core.metric_names import LOWER_IS_BETTER, WITHOUT_WEIGHTS
from esrgan_core.metrics import METRICS, metrics_by_name
from esrgan_core.metrics.niqe import niqe
from esrgan_core.metrics.psnr import psnr
from esrgan_core.metrics.ssim import ssim
from esrgan_core.tensors import to_tensor
from tests.conftest import textured


def test_metrics_without_weights_are_those_named() -> None:
    assert tuple(METRICS) == WITHOUT_WEIGHTS


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


@pytest.mark.parametrize(
    ("name", "psnr_rgb", "ssim_rgb"),
    [("baboon", 20.419710, 0.391853), ("comic", 20.239912, 0.567738)],
)
def test_bicubic_scores_in_rgb_equal_matlabs(
    test_data: Path, name: str, psnr_rgb: float, ssim_rgb: float
) -> None:
    hr = crop_to_multiple(read_rgb(test_data / "sets" / "Set14" / "HR" / f"{name}.png"), 12)
    images = to_tensor(resize_pixels(bicubic_pair(hr, 4)[1], 4)), to_tensor(hr)
    assert METRICS["psnr_rgb"](*images, 4) == pytest.approx(psnr_rgb, abs=1e-6)
    assert METRICS["ssim_rgb"](*images, 4) == pytest.approx(ssim_rgb, abs=1e-6)


def weights_in(test_data: Path) -> Callable[[str], Path]:
    files = {
        "alexnet": "alexnet_features.pth",
        "vgg16": "vgg16_features_fp16.pth",
        "lpips_alex": "lpips_lin/v0.1/alex.pth",
        "lpips_vgg": "lpips_lin/v0.1/vgg.pth",
    }
    return lambda name: test_data / "weights" / files[name]


def test_the_authors_own_result_scores_as_recorded(test_data: Path) -> None:
    results = test_data / "esrgan_official" / "results"
    sr = to_tensor(read_rgb(results / "baboon_ESRGAN.png"))
    hr = to_tensor(read_rgb(test_data / "sets" / "Set14" / "HR" / "baboon.png"))
    expected = {"psnr_y": 20.324, "ssim_y": 0.4306, "lpips": 0.2031, "lpips_vgg": 0.3177}
    metrics = metrics_by_name(expected, weights_in(test_data))
    for name, value in expected.items():
        tolerance = 1e-3 if name == "psnr_y" else 1e-4
        assert metrics[name](sr, hr, 4) == pytest.approx(value, abs=tolerance), name


# TID2013 pairs with values recorded from the authors' code of each metric
@pytest.mark.parametrize(
    ("name", "psnr_rgb", "ssim_gray", "lpips"),
    [
        ("I03", 21.11, 0.6993, 0.7237),
        ("I04", 20.99, 0.9978, 0.2572),
        ("I06", 27.01, 0.9989, 0.0508),
        ("I08", 23.30, 0.9669, 0.0521),
        ("I19", 21.62, 0.6519, 0.4253),
    ],
)
def test_five_pairs_score_as_recorded(
    test_data: Path, name: str, psnr_rgb: float, ssim_gray: float, lpips: float
) -> None:
    pixels = [
        read_rgb(test_data / "iqa" / folder / f"{name}.bmp") for folder in ("dist_dir", "ref_dir")
    ]
    sr, hr = map(to_tensor, pixels)
    metrics = metrics_by_name(["psnr_rgb", "lpips"], weights_in(test_data))
    assert metrics["psnr_rgb"](sr, hr, 0) == pytest.approx(psnr_rgb, abs=0.005)
    assert metrics["lpips"](sr, hr, 0) == pytest.approx(lpips, abs=1e-4)
    grays = [torch.from_numpy(gray(rgb) / 255)[None, None] for rgb in pixels]
    assert float(ssim(*grays)) == pytest.approx(ssim_gray, abs=6e-5)


def gray(rgb: np.ndarray) -> np.ndarray:
    """MATLAB's rgb2gray of 8-bit pixels."""
    weights = [0.298936021293775, 0.587043074451121, 0.114020904255103]
    return np.floor(rgb.astype(float) @ weights + 0.5)


def test_niqe_of_set14s_baboon_is_on_record(test_data: Path) -> None:
    image = to_tensor(read_rgb(test_data / "sets" / "Set14" / "HR" / "baboon.png"))
    # another file than mmagic's baboon, whose 5.72957 by MATLAB it nearly shares
    assert METRICS["niqe"](image, image, 0) == pytest.approx(5.7297, abs=1e-3)


# recorded from the authors' MATLAB code on rgb2gray; smooth images are rounding-sensitive
@pytest.mark.parametrize(
    ("name", "expected", "tolerance"),
    [
        ("I03", 15.7536, 0.02),
        ("I04", 3.6549, 0.001),
        ("I06", 3.2355, 0.001),
        ("I08", 3.1840, 0.02),
        ("I19", 8.6352, 0.5),
    ],
)
def test_niqe_equals_the_authors(
    test_data: Path, name: str, expected: float, tolerance: float
) -> None:
    rgb = read_rgb(test_data / "iqa" / "dist_dir" / f"{name}.bmp")
    assert niqe(gray(rgb)) == pytest.approx(expected, abs=tolerance)


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


def random_weights(folder: Path) -> Callable[[str], Path]:
    """Files of the right keys and shapes for LPIPS on AlexNet."""
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    backbone = {}
    for index, (outputs, inputs, kernel) in shapes.items():
        backbone[f"features.{index}.weight"] = torch.randn(outputs, inputs, kernel, kernel) * 0.05
        backbone[f"features.{index}.bias"] = torch.randn(outputs) * 0.05
    widths = (64, 192, 384, 256, 256)
    linear = {f"lin{n}.model.1.weight": torch.rand(1, w, 1, 1) for n, w in enumerate(widths)}
    torch.save(backbone, folder / "alexnet")
    torch.save(linear, folder / "lpips_alex")
    return lambda name: folder / name


def test_lpips_grows_with_the_difference_and_names_what_it_cannot_judge(tmp_path: Path) -> None:
    lpips = metrics_by_name(["lpips"], random_weights(tmp_path))["lpips"]
    hr = to_tensor(textured(64, 72))
    noise = torch.randn_like(hr)
    near, far = (hr + amount * noise for amount in (0.02, 0.2))
    assert lpips(hr, hr, 4) == 0
    assert 0 < lpips(near, hr, 4) < lpips(far, hr, 4)
    with pytest.raises(ValueError, match="32 pixels a side, got 40x31"):
        lpips(hr[..., :31, :40], hr[..., :31, :40], 4)


@pytest.mark.parametrize(
    ("name", "key"),
    [("alexnet", "features.8.weight"), ("lpips_alex", "lin2.model.1.weight")],
)
def test_weights_of_lpips_that_are_not_finite_are_named(
    tmp_path: Path, name: str, key: str
) -> None:
    find = random_weights(tmp_path)
    state = torch.load(find(name), weights_only=True)
    state[key].view(-1)[0] = torch.nan
    torch.save(state, find(name))
    with pytest.raises(
        ValueError, match=rf"{name}: 1 of \d+ tensors hold values that are not finite, first {key}"
    ):
        metrics_by_name(["lpips"], find)


def test_unknown_metrics_are_named_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no metric psnr; there are psnr_y, "):
        metrics_by_name(["psnr"], lambda name: tmp_path / name)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_gray_pictures_have_defined_scores(name: str) -> None:
    flat = np.repeat(textured(200, 200)[..., :1], 3, axis=2)
    image = to_tensor(flat)
    noisy = (image + 0.1 * torch.randn_like(image)).clamp(0, 1)
    same, other = METRICS[name](image, image, 4), METRICS[name](noisy, image, 4)
    assert (same < other) == (name in LOWER_IS_BETTER)


@given(seed=st.integers(0, 99), border=st.integers(0, 8))
def test_what_lies_in_the_border_does_not_count(seed: int, border: int) -> None:
    hr = to_tensor(textured(40, 44, seed))
    sr = hr + 0.01
    framed = torch.rand_like(sr)
    inside = (..., slice(border, 40 - border), slice(border, 44 - border))
    framed[inside] = sr[inside]
    for name in ("psnr_y", "ssim_y", "rmse_y", "psnr_rgb", "ssim_rgb", "rmse_rgb"):
        assert METRICS[name](framed, hr, border) == METRICS[name](sr, hr, border)
