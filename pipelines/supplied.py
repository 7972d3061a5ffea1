"""LR pictures that came with their HR: who made them, and whether they lie where they should."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.registration import phase_cross_correlation

from esrgan_core.data.provenance import lr_generator
from esrgan_core.data.traces import luma
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb
from pipelines.images import Row
from pipelines.parallel import in_parallel

STEPS = 20
"""Of a pixel in which a shift is measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTask:
    """Files of a supplied pair."""

    path: str
    """Of the HR in the image folder."""
    hr: Path
    lr: Path
    scale: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFacts:
    """What an LR picture is to its HR."""

    path: str
    lr_problem: str = ""
    """Why the two are no pair; "" if they are one."""
    lr_generator: str = ""
    lr_psnr: float = float("nan")
    """dB from what that generator makes."""
    lr_shift: float = float("nan")
    """LR pixels that it lies beside the LR that we make."""


def examine_all(pairs: list[tuple[Row, Row | None]], folder: Path, scale: int) -> pd.DataFrame:
    """`PairFacts` of every pair of an image folder whose LR was supplied, a row for each."""
    tasks = [
        PairTask(path=hr.path, hr=folder / hr.path, lr=folder / lr.path, scale=scale)
        for hr, lr in pairs
        if lr is not None
    ]
    columns = [field.name for field in fields(PairFacts)]
    return pd.DataFrame([asdict(one) for one in in_parallel(examine, tasks)], columns=columns)


def examine(task: PairTask) -> PairFacts:
    """Compare a supplied LR with what its HR becomes."""
    try:
        hr, lr = read_rgb(task.hr), read_rgb(task.lr)
        generator = lr_generator(hr, lr, task.scale)
    except (OSError, ValueError) as error:
        return PairFacts(path=task.path, lr_problem=f"{task.lr}: {error}")
    made = luma(bicubic_pair(hr, task.scale)[1])
    shift = np.zeros(2)
    # of what a known program made there is none; stripes would be measured wrongly
    if generator.name == "unknown":
        shift = phase_cross_correlation(made, luma(lr), upsample_factor=STEPS, normalization=None)[
            0
        ]
    return PairFacts(
        path=task.path,
        lr_generator=generator.name,
        lr_psnr=min(generator.psnr, 99.0),
        lr_shift=float(np.abs(shift).max()),
    )
