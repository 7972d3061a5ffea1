"""Whether resize and metrics still say, on this machine, what MATLAB and the papers' code said.

Looked at before a model is made champion: other versions of the libraries beneath must not
change what its figures mean. `make fidelity` has the comparison with the originals in full.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

from esrgan_core.io.resize import bicubic_pair, resize_pixels
from esrgan_core.io.rgb import read_rgb
from esrgan_core.metrics import METRICS
from esrgan_core.tensors import to_tensor

IMAGE = "skimage.data", "chelsea.png"
SCALE = 4
LR_SHA256 = "548be666133da29d983251189b5c6dda5293172d8979cc07f90db44fee65dbc7"
SR_SHA256 = "b86bfa0e72ab99988f0c4eae8592e7683da90909a57269ed454d28f89a07ab63"
"""Of the pixels of bicubic LR and its bicubic enlargement, where all agreed with the originals."""
VALUES = {"psnr_y": 31.475760, "ssim_y": 0.806411, "rmse_y": 6.803810, "niqe": 7.925187}
TOLERANCES = {"psnr_y": 1e-5, "ssim_y": 1e-5, "rmse_y": 1e-5, "niqe": 1e-3}


def find_mismatches() -> list[str]:
    """What differs from the verified values; empty where all is as it should be."""
    package, name = IMAGE
    hr, lr = bicubic_pair(read_rgb(Path(str(files(package) / name))), SCALE)
    sr = resize_pixels(lr, SCALE)
    found = [
        f"bicubic {what} of {name} has other pixels"
        for what, pixels, digest in (("LR", lr, LR_SHA256), ("enlargement", sr, SR_SHA256))
        if hashlib.sha256(pixels.tobytes()).hexdigest() != digest
    ]
    images = to_tensor(sr), to_tensor(hr)
    for metric, value in VALUES.items():
        measured = METRICS[metric](*images, SCALE)
        if abs(measured - value) > TOLERANCES[metric]:
            found.append(f"{metric} of {name} is {measured:.6f}, not {value:.6f}")
    return found
