"""The data docs: what the images are and what was found about them, on a page of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.io.rgb import THUMBNAIL
from pipelines.data.expectations import Outcome
from pipelines.data.image_table import Distribution, distribution
from pipelines.reports.crops import data_uri
from pipelines.reports.template import template

SHOWN = 500
"""Faults and remarks; a page of more is no page."""


def write_docs(
    path: Path, outcomes: Sequence[Outcome], frame: pd.DataFrame, accepted: Distribution | None
) -> None:
    """Write the page: one file, which needs nothing from anywhere.

    Args:
        path: the HTML file.
        outcomes: of all expectations.
        frame: as `validation.image_table` gives it.
        accepted: shares of sizes and shapes in the last accepted run.
    """
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    faults.sort(key=lambda fault: not fault.blocking)
    thumbnails = dict(zip(frame["path"], frame["thumbnail"], strict=True))
    html = template("validation.html.j2", autoescape=True).render(
        images=len(frame),
        blocking=sum(fault.blocking for fault in faults),
        remarks=sum(not fault.blocking for fault in faults),
        sets=_sets(frame),
        distribution=_distribution(frame, accepted or {}),
        outcomes=outcomes,
        faults=[(fault, _image(thumbnails.get(fault.path))) for fault in faults[:SHOWN]],
        left_out=max(len(faults) - SHOWN, 0),
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
