"""Tables of scores, with one row per method and image: model, set, name, every metric."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.metrics import perceptual_index
from pipelines.config.errors import UserError
from pipelines.runtime.tables import read_table

KEYS = ["model", "set", "name"]


def metric_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that hold metrics."""
    return [str(name) for name in frame.columns if name not in KEYS]


def mask_incomplete(frame: pd.DataFrame) -> pd.DataFrame:
    """Set a metric of an image to NaN for all methods if one lacks it: means are comparable."""
    metrics = metric_columns(frame)
    complete = frame[metrics].notna().groupby([frame["set"], frame["name"]]).transform("all")
    return frame.assign(**{name: frame[name].where(complete[name]) for name in metrics})


def set_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over the images of a set, per method and set, in order of appearance."""
    groups = frame.groupby(["model", "set"], sort=False)
    return groups[metric_columns(frame)].mean().reset_index()


def means_by_model(means: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Set means as `{model: {set: {metric: value}}}`, the content of `metrics.json`.

    A metric that was measured on no image of a set is absent.
    """
    content: dict[str, dict[str, dict[str, float]]] = {}
    for row in means.to_dict("records"):
        content.setdefault(row["model"], {})[row["set"]] = {
            name: round(float(row[name]), 6)
            for name in metric_columns(means)
            if pd.notna(row[name])
        }
    return content


def add_perceptual_index(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the column `pi`, from NIQE and Ma's scores in a file; NaN for images without a score."""
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
