"""LR images that came with their HR: who made them, and whether they lie where they should."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from pipelines.data.manifest import ManifestRow
from pipelines.runtime.parallel import in_parallel


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvidedPair:
    """Files of a provided pair."""

    path: str
    """Of the HR in the image folder."""
    hr: Path
    lr: Path
    scale: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LrCheck:
    """What an LR image is to its HR."""

    path: str
    lr_problem: str = ""
    """Why the two are no pair; "" if they are one."""
    lr_generator: str = ""
    lr_psnr: float = float("nan")
    """dB from what that generator makes."""
    lr_shift: float = float("nan")
    """LR pixels that it lies beside the LR that we make."""


def check_provided_lr(
    pairs: list[tuple[ManifestRow, ManifestRow | None]], folder: Path, scale: int
) -> pd.DataFrame:
    """`PairFacts` of every pair of an image folder whose LR was provided, a row for each."""
    tasks = [
        ProvidedPair(path=hr.path, hr=folder / hr.path, lr=folder / lr.path, scale=scale)
        for hr, lr in pairs
        if lr is not None
    ]
    facts: Iterable[LrCheck] = ()
    if tasks:
        # slow to import, and most runs make their LR
        from pipelines.data.lr_pair_checks import check_pair  # noqa: PLC0415

        facts = in_parallel(check_pair, tasks)
    columns = [field.name for field in fields(LrCheck)]
    return pd.DataFrame([asdict(one) for one in facts], columns=columns)
