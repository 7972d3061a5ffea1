"""How sure a mean is, and a difference of two models on the same images: by bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from esrgan_core.metric_names import LOWER_IS_BETTER

CONFIDENCE = 0.95
RESAMPLES = 9999
FEWEST = 2
"""Values below which nothing can be said of their spread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its confidence interval; both ends are NaN for a single value."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """The mean and its interval, as in a table."""
        if self.count < FEWEST:
            return f"{self.mean:.3f} (one image)"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interval(values: Sequence[float]) -> Interval:
    """The mean of `values` with the percentiles of its bootstrap distribution.

    The draw is fixed: equal values have equal intervals.
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean, count = float(numbers.mean()), len(numbers)
    if count < FEWEST or not np.isfinite(numbers).all():
        return Interval(mean=mean, low=float("nan"), high=float("nan"), count=count)
    from scipy.stats import bootstrap  # noqa: PLC0415  takes a second to import

    found = bootstrap(
        (numbers,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(10**7 // count, 1),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean=mean, low=float(found.low), high=float(found.high), count=count)


def intervals(frame: pd.DataFrame, key: str = "model") -> pd.DataFrame:
    """One row per method, set and metric: mean, low, high, count.

    Args:
        frame: per image, as `methods.compare` gives it.
        key: column of the methods.
    """
    rows = []
    for (name, set_name), group in frame.groupby([key, "set"], sort=False):
        for metric in metrics_in(frame, key):
            found = interval(group[metric].dropna().tolist() or [float("nan")])
            rows.append(
                {
                    key: name,
                    "set": set_name,
                    "metric": metric,
                    "mean": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "count": found.count,
                }
            )
    return pd.DataFrame(rows)


def paired(ours: pd.DataFrame, theirs: pd.DataFrame, metric: str) -> Interval | None:
    """The mean difference of two models, `ours - theirs`, over the images that both have.

    Args:
        ours: one model's rows per image.
        theirs: another's.
        metric: a column of both.

    Returns:
        None where they have no image in common, or one lacks the metric.
    """
    if metric not in ours or metric not in theirs:
        return None
    both = ours.merge(theirs, on=["set", "name"], suffixes=("", "_other"))
    difference = (both[metric] - both[f"{metric}_other"]).dropna()
    return interval(difference.tolist()) if len(difference) else None


def worst(frame: pd.DataFrame, model: str, metric: str, count: int = 5) -> pd.DataFrame:
    """The images on which a model does worst by a metric, the worst first."""
    rows = frame[frame["model"] == model]
    return rows.sort_values(metric, ascending=metric not in LOWER_IS_BETTER).head(count)


def metrics_in(frame: pd.DataFrame, key: str = "model") -> list[str]:
    """The columns of a table of scores that are metrics."""
    return [str(name) for name in frame.columns if name not in (key, "set", "name")]
