"""The manifest as a table, and a summary of its image sets."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from pipelines.config.artifacts import MANIFEST
from pipelines.data.manifest import read_manifest


def read_manifest_table() -> pd.DataFrame:
    """One row per image."""
    return pd.DataFrame([asdict(row) for row in read_manifest(MANIFEST)])


def summarize_sets(images: pd.DataFrame) -> list[dict[str, Any]]:
    """Count, megapixels and licenses of each set, in order of appearance."""
    return [
        {
            "split": split,
            "set": set_name,
            "count": len(rows),
            "megapixels": f"{(rows['width'] * rows['height']).sum() / 1e6:.1f}",
            "licenses": ", ".join(sorted(set(rows["license"]))),
        }
        for (split, set_name), rows in images.groupby(["split", "set"], sort=False)
    ]
