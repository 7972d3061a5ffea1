"""Confidence intervals of means, and of paired differences of two models, by bootstrap."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan

import numpy as np
import pandas as pd

from esrgan_core.metric_names import LOWER_IS_BETTER
from pipelines.evaluation.score_table import metric_columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean and its 95 % confidence interval, whose ends are NaN for a single value."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        if self.count < 2:
            return f"{self.mean:.3f} (one image)"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of `values` and percentiles of its bootstrap distribution, with a fixed seed."""
    numbers = np.asarray(values, dtype=np.float64)
    mean, count = float(numbers.mean()), len(numbers)
    if count < 2 or not np.isfinite(numbers).all():
        return Interval(mean=mean, low=nan, high=nan, count=count)
    from scipy.stats import bootstrap  # noqa: PLC0415  takes a second to import

    found = bootstrap(
        (numbers,),
        np.mean,
        n_resamples=9999,
        batch=max(10**7 // count, 1),
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean=mean, low=float(found.low), high=float(found.high), count=count)


def interval_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The interval of every metric: model, set, metric, mean, low, high, count."""
    return pd.DataFrame(
        [
            {"model": model, "set": set_name, "metric": metric}
            | asdict(mean_interval(group[metric].dropna().tolist() or [nan]))
            for (model, set_name), group in frame.groupby(["model", "set"], sort=False)
            for metric in metric_columns(frame)
        ]
    )


def paired_difference(ours: pd.DataFrame, theirs: pd.DataFrame, metric: str) -> Interval | None:
    """The mean of `ours - theirs` over common images; None without images or metric in common."""
    if metric not in ours or metric not in theirs:
        return None
    both = ours.merge(theirs, on=["set", "name"], suffixes=("", "_other"))
    difference = (both[metric] - both[f"{metric}_other"]).dropna()
    return mean_interval(difference.tolist()) if len(difference) else None


def worst_images(frame: pd.DataFrame, model: str, metric: str, count: int = 5) -> pd.DataFrame:
    """The rows of a model's worst images by a metric, the worst first."""
    rows = frame[frame["model"] == model]
    return rows.sort_values(metric, ascending=metric not in LOWER_IS_BETTER).head(count)
