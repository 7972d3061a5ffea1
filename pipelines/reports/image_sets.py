"""A summary of the image sets, for tables."""

from typing import Any

import pandas as pd


def summarize_sets(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Count, megapixels and licenses of each set, in order of appearance."""
    return [
        {
            "split": split,
            "set": set_name,
            "count": len(rows),
            "megapixels": f"{(rows['width'] * rows['height']).sum() / 1e6:.1f}",
            "licenses": ", ".join(sorted(set(rows["license"]))),
        }
        for (split, set_name), rows in frame.groupby(["split", "set"], sort=False)
    ]
