"""Tables of scores, with one row per method and image: model, set, name, every metric."""

import pandas as pd

KEYS = ["model", "set", "name"]


def metric_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that hold metrics."""
    return [str(name) for name in frame.columns if name not in KEYS]


def mask_incomplete(frame: pd.DataFrame) -> pd.DataFrame:
    """Set a metric of an image to NaN for all methods if one method has no value.

    All means are then over the same images.
    """
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
