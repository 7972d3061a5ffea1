"""Which program made an LR image from its HR.

The programs' filters named bicubic differ by far more than rounding: OpenCV does not antialias and
has 22 dB against MATLAB, Pillow truncates its kernel differently and has 48 dB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from jaxtyping import Float

from esrgan_core.io.resize import CONVENTIONS, bicubic_pair, round_pixels
from esrgan_core.io.rgb import Pixels, resize_with_pillow

RECOGNIZED_FROM = 45.0
"""dB of PSNR."""
BORDER = 2
"""LR pixels to ignore, since programs treat the edge differently."""
OPENCV_A = -0.75


@dataclass(frozen=True, kw_only=True, slots=True)
class Downscaler:
    """The program and filter that made an LR image."""

    name: str
    """A key of `known_downscalings`, or `unknown`."""
    psnr: float
    """dB against its own result from the HR; infinite for equal images."""


def known_downscalings(hr: Pixels, scale: int) -> Mapping[str, Pixels]:
    """The LR image of each known program, from HR cropped to a multiple of `scale`."""
    cropped = bicubic_pair(hr, scale)[0]
    size = cropped.shape[0] // scale, cropped.shape[1] // scale
    blocks = cropped.reshape(size[0], scale, size[1], scale, 3)
    opencv_cubic = _opencv_cubic(_opencv_cubic(cropped, scale, 0), scale, 1)
    middle = blocks[:, (scale - 1) // 2 : scale // 2 + 1, :, (scale - 1) // 2 : scale // 2 + 1]
    return {
        **{f"MATLAB bicubic, {name}": bicubic_pair(hr, scale, name)[1] for name in CONVENTIONS},
        "Pillow BICUBIC": resize_with_pillow(cropped, size),
        "OpenCV INTER_CUBIC": round_pixels(opencv_cubic),
        "OpenCV INTER_AREA": round_pixels(blocks.mean(axis=(1, 3))),
        "OpenCV INTER_LINEAR": round_pixels(middle.mean(axis=(1, 3))),
        "nearest neighbor": blocks[:, 0, :, 0],
    }


def identify_downscaler(hr: Pixels, lr: Pixels, scale: int) -> Downscaler:
    """Find the program whose result is closest to `lr`.

    Raises:
        ValueError: if LR does not have the size of HR divided by `scale`.
    """
    size = hr.shape[0] // scale, hr.shape[1] // scale
    if lr.shape[:2] != size:
        raise ValueError(
            f"it has {lr.shape[1]}x{lr.shape[0]} pixels, its HR by {scale} is {size[1]}x{size[0]}"
        )
    distances = {name: _psnr(lr, made) for name, made in known_downscalings(hr, scale).items()}
    name, psnr = max(distances.items(), key=itemgetter(1))
    return Downscaler(name=name if psnr >= RECOGNIZED_FROM else "unknown", psnr=psnr)


def _opencv_cubic(image: Float[np.ndarray, "h w 3"] | Pixels, scale: int, axis: int) -> np.ndarray:
    """Keys' kernel over the four pixels around each sample, without antialiasing."""
    image = np.moveaxis(image, axis, 0).astype(np.float64)
    position = (np.arange(image.shape[0] // scale) + 0.5) * scale - 0.5
    first = np.floor(position).astype(int)
    result = np.zeros((len(position), *image.shape[1:]))
    for tap in (-1, 0, 1, 2):
        weight = _keys(np.abs(position - (first + tap)))
        index = (first + tap).clip(0, image.shape[0] - 1)
        result += weight[:, None, None] * image[index]
    return np.moveaxis(result, 0, axis)


def _keys(x: Float[np.ndarray, " n"], a: float = OPENCV_A) -> Float[np.ndarray, " n"]:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _psnr(one: Pixels, other: Pixels) -> float:
    inner = slice(BORDER, -BORDER) if min(one.shape[:2]) > 4 * BORDER else slice(None)
    difference = one[inner, inner].astype(np.float64) - other[inner, inner]
    error = float((difference**2).mean())
    return 10 * np.log10(255**2 / error) if error else float("inf")
