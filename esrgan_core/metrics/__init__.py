"""Image quality by name: `metrics_by_name(["psnr_y"])["psnr_y"](sr, hr, crop_border)`.

All take float images `1 3 h w` in [0, 1], rounded to 8 bits, and ignore `border` pixels on each
side; a value of a set is the mean over its images. A new metric is a name in
`esrgan_core.metric_names` and one entry in `METRICS`, or a case in `_lpips` if it needs weights.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor

from esrgan_core.metric_names import check_metric_names
from esrgan_core.metrics.lpips import LPIPS
from esrgan_core.metrics.psnr import psnr, rmse
from esrgan_core.tensors import crop_border, rgb_to_y

Image = Float[Tensor, "1 3 h w"]
Metric = Callable[[Image, Image, int], float]


def _luma(image: Image, border: int) -> Float[Tensor, "1 1 h2 w2"]:
    return rgb_to_y(crop_border(image, border).double())


def _channels(image: Image, border: int) -> Float[Tensor, "3 1 h2 w2"]:
    return crop_border(image, border).double()[0][:, None]


def _ssim(sr: Float[Tensor, "b 1 h w"], hr: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    from esrgan_core.metrics.ssim import ssim  # noqa: PLC0415  SciPy is slow to import

    return ssim(sr, hr)


def psnr_y(sr: Image, hr: Image, border: int) -> float:
    """PSNR in dB on luma; infinite for equal images."""
    return float(psnr(_luma(sr, border), _luma(hr, border)))


def ssim_y(sr: Image, hr: Image, border: int) -> float:
    """SSIM on luma."""
    return float(_ssim(_luma(sr, border), _luma(hr, border)))


def rmse_y(sr: Image, hr: Image, border: int) -> float:
    """Root mean square error on luma in gray levels."""
    return float(rmse(_luma(sr, border), _luma(hr, border)))


def psnr_rgb(sr: Image, hr: Image, border: int) -> float:
    """PSNR in dB over the three channels together."""
    return float(psnr(crop_border(sr, border).double(), crop_border(hr, border).double()))


def ssim_rgb(sr: Image, hr: Image, border: int) -> float:
    """Mean of the three channels' SSIM."""
    return float(_ssim(_channels(sr, border), _channels(hr, border)).mean())


def rmse_rgb(sr: Image, hr: Image, border: int) -> float:
    """Root mean square error over the three channels together in gray levels."""
    return float(rmse(crop_border(sr, border).double(), crop_border(hr, border).double()))


def niqe_y(sr: Image, hr: Image, border: int) -> float:
    """NIQE of `sr` on luma rounded to 8 bits."""
    from esrgan_core.metrics.niqe import niqe  # noqa: PLC0415  SciPy is slow to import

    del hr  # a no-reference metric
    return niqe((_luma(sr, border)[0, 0] * 255).round().cpu().numpy())


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "psnr_y": psnr_y,
        "ssim_y": ssim_y,
        "rmse_y": rmse_y,
        "psnr_rgb": psnr_rgb,
        "ssim_rgb": ssim_rgb,
        "rmse_rgb": rmse_rgb,
        "niqe": niqe_y,
    }
)


def perceptual_index(niqe: float, ma: float) -> float:
    """PIRM 2018's perceptual index from NIQE and the score of Ma et al. (2017); lower is better.

    Ma's model is not freely available, so its scores come from a file.

    >>> perceptual_index(3.0, 8.0)
    2.5
    """
    return (niqe + 10 - ma) / 2


def metrics_by_name(names: Iterable[str], find_weights: Callable[[str], Path]) -> dict[str, Metric]:
    """The metrics by name, in this order; `lpips` uses AlexNet, as papers report it.

    Args:
        names: of `METRIC_NAMES`.
        find_weights: returns the path of one of `WEIGHT_FILES`; called only if a metric needs it.

    Raises:
        ValueError: for an unknown name.
        FileNotFoundError: if weights are missing.
    """
    wanted = list(names)
    check_metric_names(wanted)
    return {name: METRICS.get(name) or _lpips(name, find_weights) for name in wanted}


def _lpips(name: str, find_weights: Callable[[str], Path]) -> Metric:
    if name == "lpips":
        network = LPIPS("alex", find_weights("alexnet"), find_weights("lpips_alex"))
    else:
        network = LPIPS("vgg", find_weights("vgg16"), find_weights("lpips_vgg"))

    def measure(sr: Image, hr: Image, border: int) -> float:
        del border  # its authors, and papers, use the whole image
        return float(network(sr, hr))

    return measure
