"""Check of provided LR images: their generator, and their alignment with the HR."""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.data.provenance import identify_downscaler
from esrgan_core.io.decoding import reason
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb
from pipelines.data.manifest import ManifestRow
from pipelines.runtime.parallel import in_parallel

STEPS = 20
"""Steps per pixel in which a shift is measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LrCheck:
    """Result of checking one provided LR."""

    path: str
    """Of the HR in the image folder."""
    lr_problem: str = ""
    """Why the LR does not fit the HR; "" if it does."""
    lr_generator: str = ""
    lr_difference: float = float("nan")
    """Gray levels, root mean square, compared with the output of the likeliest generator."""
    lr_correlation: float = float("nan")
    """Of luma with that of our LR, which another exposure does not change."""
    lr_shift: float = float("nan")
    """LR pixels compared with our LR."""


def check_provided_lr(
    pairs: list[tuple[ManifestRow, ManifestRow | None]], folder: Path, scale: int
) -> pd.DataFrame:
    """Check all provided LR images; returns a table with the fields of `LrCheck` as columns."""
    paths = [(hr.path, lr.path) for hr, lr in pairs if lr is not None]
    check = partial(check_pair, folder=folder, scale=scale)
    columns = [field.name for field in fields(LrCheck)]
    return pd.DataFrame(list(in_parallel(check, paths)), columns=columns)


def check_pair(paths: tuple[str, str], folder: Path, scale: int) -> LrCheck:
    """Compare a provided LR with the output of known generators; `paths` are (HR, LR)."""
    try:
        return _check_pair(paths, folder, scale)
    except Exception as error:
        return LrCheck(path=paths[0], lr_problem=f"{folder / paths[1]}: {reason(error)}")


def _check_pair(paths: tuple[str, str], folder: Path, scale: int) -> LrCheck:
    from skimage.registration import phase_cross_correlation  # noqa: PLC0415  skimage is slow

    hr, lr = (read_rgb(folder / path) for path in paths)
    generator = identify_downscaler(hr, lr, scale)
    shift, correlation = np.zeros(2), 1.0
    # an LR of a known generator is not shifted, and the shift of stripes cannot be measured
    if generator.name == "unknown":
        ours, theirs = luma(bicubic_pair(hr, scale)[1]), luma(lr)
        shift, *_ = phase_cross_correlation(ours, theirs, upsample_factor=STEPS, normalization=None)
        # blank images have no correlation
        is_textured = min(ours.std(), theirs.std()) > 0
        correlation = float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]) if is_textured else 0.0
    return LrCheck(
        path=paths[0],
        lr_generator=generator.name,
        lr_difference=255 * 10 ** (-generator.psnr / 20),
        lr_correlation=correlation,
        lr_shift=float(np.abs(shift).max()),
    )
