"""Image quality by name: `METRICS[name](sr, hr, crop_border)`.

All take float images `1 3 h w` in [0, 1] that were rounded to 8 bits; a value for a set
is the mean over its pictures. A new metric is one entry in `METRICS`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor

from esrgan_core.metrics.niqe import niqe
from esrgan_core.metrics.psnr import psnr, rmse
from esrgan_core.metrics.ssim import ssim
from esrgan_core.ops import crop_border, rgb_to_y

Image = Float[Tensor, "1 3 h w"]
Metric = Callable[[Image, Image, int], float]


def _luma(image: Image, border: int) -> Float[Tensor, "1 1 h2 w2"]:
    return rgb_to_y(crop_border(image, border).double())


def psnr_y(sr: Image, hr: Image, border: int) -> float:
    """PSNR in dB on luma, `border` pixels cut from each side."""
    return float(psnr(_luma(sr, border), _luma(hr, border)))


def ssim_y(sr: Image, hr: Image, border: int) -> float:
    """SSIM on luma, `border` pixels cut from each side."""
    return float(ssim(_luma(sr, border), _luma(hr, border)))


def rmse_y(sr: Image, hr: Image, border: int) -> float:
    """Root mean square error on luma in gray levels, `border` pixels cut from each side."""
    return float(rmse(_luma(sr, border), _luma(hr, border)))


def niqe_y(sr: Image, hr: Image, border: int) -> float:
    """NIQE of `sr` alone on luma rounded to 8 bits, `border` pixels cut from each side."""
    del hr  # no reference is needed
    return niqe((_luma(sr, border)[0, 0] * 255).round().cpu().numpy())


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"psnr_y": psnr_y, "ssim_y": ssim_y, "rmse_y": rmse_y, "niqe": niqe_y}
)
LOWER_IS_BETTER = frozenset({"rmse_y", "niqe"})
