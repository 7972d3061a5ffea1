"""The image table that the expectations check, and its distribution in the last accepted run."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.data.near_duplicates import find_duplicates
from pipelines.runtime.state import state_root

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


def load_accepted(frame: pd.DataFrame) -> Distribution | None:
    """Shares of sizes and shapes when these sets were last accepted; None if never."""
    try:
        return from_json(_path(frame).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def save_accepted(frame: pd.DataFrame) -> None:
    """Store the shares of sizes and shapes of an image table for the next run."""
    write_text(_path(frame), to_json(distribution(frame)))


def _path(frame: pd.DataFrame) -> Path:
    # each selection of sets is compared with itself
    sets = " ".join(sorted(set(frame["split"] + "/" + frame["set"])))
    return state_root() / "accepted" / f"{hashlib.sha256(sets.encode()).hexdigest()[:16]}.json"
