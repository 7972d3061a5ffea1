"""The data docs: what the images are and what was found about them, on a page of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.io.inspection import THUMBNAIL
from pipelines.data.expectations import ExpectationResult
from pipelines.data.image_table import Distribution, distribution
from pipelines.reports.crops import data_uri
from pipelines.reports.template import load_template

SHOWN = 500
"""Errors and warnings that the page lists."""


def write_data_docs(
    path: Path,
    results: Sequence[ExpectationResult],
    frame: pd.DataFrame,
    accepted: Distribution | None,
) -> None:
    """Write the page: one file, which needs nothing from anywhere.

    Args:
        path: the HTML file.
        results: of all expectations.
        frame: as `validation.image_table` gives it.
        accepted: shares of sizes and shapes in the last accepted run.
    """
    issues = [issue for result in results for issue in result.issues]
    issues.sort(key=lambda issue: not issue.is_error)
    thumbnails = dict(zip(frame["path"], frame["thumbnail"], strict=True))
    html = load_template("validation.html.j2", autoescape=True).render(
        images=len(frame),
        errors=sum(issue.is_error for issue in issues),
        warnings=sum(not issue.is_error for issue in issues),
        sets=_sets(frame),
        distribution=_distribution(frame, accepted or {}),
        results=results,
        issues=[(issue, _image(thumbnails.get(issue.path))) for issue in issues[:SHOWN]],
        left_out=max(len(issues) - SHOWN, 0),
    )
    write_text(path, html)


def _sets(frame: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for (split, name), group in frame.groupby(["split", "set"], sort=True):
        megapixels = (group["width"] * group["height"]).sum() / 1e6
        rows.append(
            {
                "split": str(split),
                "set": str(name),
                "count": str(len(group)),
                "megapixels": f"{megapixels:.1f}",
                "licenses": ", ".join(sorted(set(group["license"]))),
            }
        )
    return rows


def _distribution(
    frame: pd.DataFrame, accepted: Distribution
) -> dict[str, list[tuple[str, str, str]]]:
    titles = {"size_class": "Sizes, about", "shape_class": "Shapes, width to height"}
    return {
        titles[column]: [
            (
                name,
                f"{share:.0%}",
                f"{accepted.get(column, {}).get(name, 0):.0%}" if accepted else "",
            )
            for name, share in shares.items()
        ]
        for column, shares in distribution(frame).items()
    }


def _image(thumbnail: object) -> str:
    if not isinstance(thumbnail, bytes):
        return ""
    gray = np.frombuffer(thumbnail, dtype=np.uint8).reshape(THUMBNAIL, THUMBNAIL, 1)
    return data_uri(np.repeat(gray, 3, axis=2))
