"""The images as a table: what is known of each, for expectations to be held against."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipelines.data.near_duplicates import find_duplicates

Distribution = Mapping[str, Mapping[str, float]]
"""Shares by column and value."""


def image_table(
    manifest: pd.DataFrame, quality_stats: pd.DataFrame, pairs: pd.DataFrame, multiple: int
) -> pd.DataFrame:
    """The HR images of the manifest with what the expectations look at.

    Args:
        manifest: with a column `sha256_now`.
        quality_stats: figures of each image by path.
        pairs: figures of each provided pair by the path of its HR.
        multiple: what sides are cropped to.

    `width_cropped` and `height_cropped` are what is left after cropping; `same_as`, `leaks` and
    `looks_like` name another image that shows the same: byte for byte, in another split, in the
    same split; `size_class` and `shape_class` say sizes coarsely.
    """
    frame = manifest[manifest["kind"] == "hr"].merge(quality_stats, on="path", how="left")
    frame = frame.merge(pairs, on="path", how="left").reset_index(drop=True)
    frame["lr_problem"] = frame["lr_problem"].fillna("")
    for side in ("width", "height"):
        frame[f"{side}_cropped"] = frame[side] - frame[side] % multiple
    named = {
        "same_as": [""] * len(frame),
        "leaks": [""] * len(frame),
        "looks_like": [""] * len(frame),
    }
    for pair in find_duplicates(frame):
        across = frame["split"][pair.extra] != frame["split"][pair.kept]
        if pair.equal:
            named["same_as"][pair.extra] = str(frame["path"][pair.kept])
        if across:
            named["leaks"][pair.extra] = str(frame["path"][pair.kept])
        elif not pair.equal:
            named["looks_like"][pair.extra] = str(frame["path"][pair.kept])
    frame = frame.assign(**named)
    area = np.log2(frame["width"] * frame["height"] / 1e6)
    frame["size_class"] = [f"{2.0**level:g} MP" for level in area.round()]
    shape = np.log2(frame["width"] / frame["height"])
    frame["shape_class"] = [f"{2.0**level:.2f}" for level in (2 * shape).round() / 2]
    return frame


def distribution(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Shares of the sizes and shapes in a image frame."""
    return {
        column: {name: count / len(frame) for name, count in sorted(Counter(frame[column]).items())}
        for column in ("size_class", "shape_class")
    }
