"""One LR image that came with its HR, looked at closely."""

import numpy as np
from skimage.registration import phase_cross_correlation

from esrgan_core.data.provenance import identify_downscaler
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb
from pipelines.data.lr_checks import LrCheck, ProvidedPair

STEPS = 20
"""Of a pixel in which a shift is measured."""


def check_pair(task: ProvidedPair) -> LrCheck:
    """Compare a provided LR with what its HR becomes."""
    try:
        hr, lr = read_rgb(task.hr), read_rgb(task.lr)
        generator = identify_downscaler(hr, lr, task.scale)
    except (OSError, ValueError) as error:
        return LrCheck(path=task.path, lr_problem=f"{task.lr}: {error}")
    made = luma(bicubic_pair(hr, task.scale)[1])
    shift = np.zeros(2)
    # of what a known program made there is none; stripes would be measured wrongly
    if generator.name == "unknown":
        shift = phase_cross_correlation(made, luma(lr), upsample_factor=STEPS, normalization=None)[
            0
        ]
    return LrCheck(
        path=task.path,
        lr_generator=generator.name,
        lr_psnr=min(generator.psnr, 99.0),
        lr_shift=float(np.abs(shift).max()),
    )
