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


def _channels(image: Image) -> Float[Tensor, "3 1 h w"]:
    return image[0][:, None]


def _ssim(sr: Float[Tensor, "b 1 h w"], hr: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    from esrgan_core.metrics.ssim import ssim  # noqa: PLC0415  SciPy is slow to import

    return ssim(sr, hr)


def _compare(
    measure: Callable[[Tensor, Tensor], Tensor], planes: Callable[[Image], Tensor]
) -> Metric:
    """The mean of `measure` over these planes of both images, in double precision."""

    def metric(sr: Image, hr: Image, border: int) -> float:
        sr, hr = (planes(crop_border(image, border).double()) for image in (sr, hr))
        return float(measure(sr, hr).mean())

    return metric


def _niqe_y(sr: Image, hr: Image, border: int) -> float:
    from esrgan_core.metrics.niqe import niqe  # noqa: PLC0415  SciPy is slow to import

    del hr  # a no-reference metric
    luma = rgb_to_y(crop_border(sr, border).double())[0, 0] * 255
    return niqe(luma.round().cpu().numpy())


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "psnr_y": _compare(psnr, rgb_to_y),
        "ssim_y": _compare(_ssim, rgb_to_y),
        "rmse_y": _compare(rmse, rgb_to_y),
        "psnr_rgb": _compare(psnr, lambda image: image),
        "ssim_rgb": _compare(_ssim, _channels),
        "rmse_rgb": _compare(rmse, lambda image: image),
        "niqe": _niqe_y,
    }
)
"""Metrics without weights; PSNR is infinite for equal images, RMSE is in gray levels."""


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
