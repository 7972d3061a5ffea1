"""The table of images that the expectations check."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipelines.data.near_duplicates import find_duplicates

Distribution = Mapping[str, Mapping[str, float]]
"""Shares by column and value."""


def image_table(
    manifest: pd.DataFrame, quality_stats: pd.DataFrame, lr_checks: pd.DataFrame, multiple: int
) -> pd.DataFrame:
    """Table of the HR images of the manifest.

    `width_cropped` and `height_cropped` are the sides after cropping to `multiple`; `same_as`,
    `leaks` and `looks_like` name a duplicate: an equal file, one in another split, another one in
    the same split; `size_class` and `shape_class` are rounded sizes and aspect ratios. `lr_checks`
    has a row for each provided LR, with the path of its HR.
    """
    frame = manifest[manifest["kind"] == "hr"].merge(quality_stats, on="path", how="left")
    frame = frame.merge(lr_checks, on="path", how="left").reset_index(drop=True)
    frame["lr_problem"] = frame["lr_problem"].fillna("")
    for side in ("width", "height"):
        frame[f"{side}_cropped"] = frame[side] - frame[side] % multiple
    frame = frame.assign(same_as="", leaks="", looks_like="")
    for kept, extra in find_duplicates(frame):
        one, other = frame.loc[kept], frame.loc[extra]
        if one["sha256"] == other["sha256"]:
            frame.loc[extra, "same_as"] = one["path"]
        elif one["split"] == other["split"]:
            frame.loc[extra, "looks_like"] = one["path"]
        if one["split"] != other["split"]:
            frame.loc[extra, "leaks"] = one["path"]
    area = np.log2(frame["width"] * frame["height"] / 1e6)
    frame["size_class"] = [f"{2.0**level:g} MP" for level in area.round()]
    shape = np.log2(frame["width"] / frame["height"])
    frame["shape_class"] = [f"{2.0**level:.2f}" for level in (2 * shape).round() / 2]
    return frame


def distribution(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Shares of the size and shape classes of an image table."""
    return {
        column: {name: count / len(frame) for name, count in sorted(Counter(frame[column]).items())}
        for column in ("size_class", "shape_class")
    }
