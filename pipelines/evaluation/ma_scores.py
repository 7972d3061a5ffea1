"""Scores of Ma's model, and the perceptual index that is made from them and NIQE."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.metrics import perceptual_index
from pipelines.config.errors import UserError
from pipelines.evaluation.score_table import KEYS
from pipelines.runtime.tables import read_table


def add_perceptual_index(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the column `pi` to a table of scores; NaN for images that have no Ma score.

    Raises:
        UserError: as `read_ma_scores`.
    """
    both = frame.merge(read_ma_scores(path, KEYS), on=KEYS, how="left")
    pairs = zip(both["niqe"], both.pop("ma"), strict=True)
    return both.assign(pi=[perceptual_index(niqe, ma) for niqe, ma in pairs])


def read_ma_scores(path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file with the columns `keys`, which identify an image, and `ma`.

    Raises:
        FileNotFoundError: if `path` does not exist.
        UserError: if it lacks a column, or an image has no number or several rows.
    """
    scores = read_table(path)
    if missing := {*keys, "ma"} - set(scores.columns):
        raise UserError(f"{path} lacks the columns {sorted(missing)}")
    scores = scores[[*keys, "ma"]]
    ma = pd.to_numeric(scores["ma"], errors="coerce")
    problems = {
        "has no number as ma": ~np.isfinite(ma),
        "has more than one line": scores.duplicated(list(keys)),
    }
    for problem, found in problems.items():
        if found.any():
            row = scores[found].iloc[0]
            image = ", ".join(f"{key} {row[key]!r}" for key in keys)
            raise UserError(f"{path}: {image} {problem}; give each image one line with its score")
    return scores.assign(ma=ma)
