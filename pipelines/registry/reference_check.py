"""Whether resize and metrics give the values of MATLAB and of the papers' code on this machine.

Checked before a model becomes champion: another version of a library must not change the meaning
of its figures. `make fidelity` runs the full comparison to the originals.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

from esrgan_core.io.resize import bicubic_pair, resize_pixels
from esrgan_core.io.rgb import read_rgb
from esrgan_core.metrics import METRICS
from esrgan_core.tensors import to_tensor

IMAGE = "chelsea.png"
SCALE = 4
LR_SHA256 = "548be666133da29d983251189b5c6dda5293172d8979cc07f90db44fee65dbc7"
SR_SHA256 = "b86bfa0e72ab99988f0c4eae8592e7683da90909a57269ed454d28f89a07ab63"
"""Of the pixels of the bicubic LR, and of those of its bicubic enlargement."""
REFERENCE_VALUES = {"psnr_y": 31.475760, "ssim_y": 0.806411, "rmse_y": 6.803810, "niqe": 7.925187}
TOLERANCES = {"psnr_y": 1e-5, "ssim_y": 1e-5, "rmse_y": 1e-5, "niqe": 1e-3}


def find_mismatches() -> list[str]:
    """Describe each difference to a reference value; empty if there is none."""
    hr, lr = bicubic_pair(read_rgb(Path(str(files("skimage.data") / IMAGE))), SCALE)
    sr = resize_pixels(lr, SCALE)
    found = [
        f"bicubic {what} of {IMAGE} has other pixels"
        for what, pixels, digest in (("LR", lr, LR_SHA256), ("enlargement", sr, SR_SHA256))
        if hashlib.sha256(pixels.tobytes()).hexdigest() != digest
    ]
    images = to_tensor(sr), to_tensor(hr)
    for metric, value in REFERENCE_VALUES.items():
        if abs((measured := METRICS[metric](*images, SCALE)) - value) > TOLERANCES[metric]:
            found.append(f"{metric} of {IMAGE} is {measured:.6f}, not {value:.6f}")
    return found
