"""Sizes and shapes of the images of the last accepted run, to detect drift."""

import hashlib
from pathlib import Path

import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.data.image_table import Distribution, distribution
from pipelines.runtime.state import state_root


def load_accepted(frame: pd.DataFrame) -> Distribution | None:
    """Shares of sizes and shapes when these sets were last accepted; None if never."""
    try:
        shares: Distribution = from_json(_path(frame).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return shares


def save_accepted(frame: pd.DataFrame) -> None:
    """Store the shares of sizes and shapes of an image table for the next run."""
    write_text(_path(frame), to_json(distribution(frame)))


def _path(frame: pd.DataFrame) -> Path:
    # each selection of sets is compared with itself
    sets = " ".join(sorted(set(frame["split"] + "/" + frame["set"])))
    return state_root() / "accepted" / f"{hashlib.sha256(sets.encode()).hexdigest()[:16]}.json"
