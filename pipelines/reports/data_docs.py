"""The data docs: an HTML page about the images, their errors and their warnings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.io.inspection import THUMBNAIL
from pipelines.data.expectations import ExpectationResult
from pipelines.data.image_table import Distribution, distribution
from pipelines.reports.crops import data_uri
from pipelines.reports.templates import load_template, summarize_sets

SHOWN = 500
"""Errors and warnings that the page lists."""


def write_data_docs(
    path: Path,
    results: Sequence[ExpectationResult],
    frame: pd.DataFrame,
    accepted: Distribution | None,
) -> None:
    """Write the page of a table of images, as one HTML file that loads no other file."""
    issues = [issue for result in results for issue in result.issues]
    issues.sort(key=lambda issue: not issue.is_error)
    thumbnails = dict(zip(frame["path"], frame["thumbnail"], strict=True))
    html = load_template("validation.html.j2", autoescape=True).render(
        images=len(frame),
        errors=sum(issue.is_error for issue in issues),
        warnings=sum(not issue.is_error for issue in issues),
        sets=summarize_sets(frame.sort_values(["split", "set"])),
        distribution=distribution(frame),
        accepted=accepted,
        results=results,
        issues=[(issue, _image(thumbnails.get(issue.path))) for issue in issues[:SHOWN]],
        left_out=max(len(issues) - SHOWN, 0),
    )
    write_text(path, html)


def _image(thumbnail: object) -> str:
    if not isinstance(thumbnail, bytes):
        return ""
    gray = np.frombuffer(thumbnail, dtype=np.uint8).reshape(THUMBNAIL, THUMBNAIL, 1)
    return data_uri(np.repeat(gray, 3, axis=2))
