"""Figures by matplotlib: contact sheets, curves, the perception-distortion plane."""

from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluation import Sample, ScoredImage
from esrgan_core.files import atomic_path
from pipelines.reports.crops import most_detailed_crop
from pipelines.reports.labels import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CROP = 128
SHEET = 5
"""Images on a contact sheet."""
CAPTION = {"psnr_y": "{:.2f} dB", "niqe": "NIQE {:.2f}"}
PER_ROW = 4


def originals(samples: Sequence[Sample]) -> list[ScoredImage]:
    """The HR images, in place of results."""
    return [
        ScoredImage(name=sample.name, set=sample.set, sr=np.asarray(sample.hr), values={})
        for sample in samples
    ]


def contact_sheet(columns: Mapping[str, Sequence[ScoredImage]], path: Path) -> None:
    """Save one row for each of the first images and one column per method; a crop for each row."""
    first = next(iter(columns.values()))[:SHEET]
    figure, axes = _subplots(len(first), len(columns), cell=(2.0, 2.15))
    for column, (title, images) in enumerate(columns.items()):
        for row, image in enumerate(images[:SHEET]):
            axis = axes[row][column]
            box = most_detailed_crop(first[row].sr, CROP, 1)
            axis.imshow(image.sr[box], interpolation="nearest")
            axis.set_axis_off()
            caption = _caption(image)
            axis.set_title(f"{_escape(title)}\n{caption}" if row == 0 else caption, fontsize=8)
    save_figure(figure, path)


def patch_figure(sample: Sample, results: Mapping[str, ScoredImage]) -> "Figure":
    """An image with a box, and the box's crops of all results (like ESRGAN figure 7)."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415  takes a second to import

    hr = np.asarray(sample.hr)
    rows, columns = box = most_detailed_crop(hr, CROP, hr.shape[0] // sample.lr.shape[0])
    crops = [*results.items(), ("HR", originals([sample])[0])]
    figure, axes = _subplots(-(-len(crops) // PER_ROW), PER_ROW + 2, cell=(1.6, 1.85))
    whole = figure.add_subplot(axes[0][0].get_gridspec()[:, :2])
    for axis in axes[:, :2].flatten():
        axis.remove()
    whole.imshow(hr)
    size = columns.stop - columns.start
    corner = columns.start, rows.start
    whole.add_patch(Rectangle(corner, size, size, fill=False, color="red", linewidth=2))
    whole.set_title(_escape(sample.name.rpartition("/")[2]), fontsize=8)
    whole.set_axis_off()
    for axis, crop in zip_longest(axes[:, 2:].flatten(), crops):
        axis.set_axis_off()
        if crop is not None:
            name, image = crop
            axis.imshow(image.sr[box], interpolation="nearest")
            axis.set_title(f"{_escape(display_name(name))}\n{_caption(image)}", fontsize=7)
    return figure


def curves_figure(stage: str, curve: pd.DataFrame) -> "Figure":
    """All curves of a training stage, one panel for each column of `curve` but `step`."""
    names = [name for name in curve.columns if name != "step"]
    lines = -(-len(names) // PER_ROW)
    width, height = cell = (2.8, 2.1)
    # fixed margins: a constrained layout takes as long as drawing
    figure, axes = _subplots(lines, PER_ROW, cell, constrained=False)
    figure.subplots_adjust(
        left=0.6 / (width * PER_ROW),
        right=1 - 0.1 / (width * PER_ROW),
        bottom=0.25 / (height * lines),
        top=1 - 0.25 / (height * lines),
        wspace=0.7 / (width - 0.7),
        hspace=0.5 / (height - 0.5),
    )
    for axis, name in zip_longest(axes.flatten(), names):
        if name is None:
            axis.remove()
            continue
        present = curve[["step", name]].dropna()
        axis.plot(present["step"], present[name], linewidth=1.2)
        axis.set_title(_escape(f"{stage}: {name}"), fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    return figure


def plane_figure(networks: pd.DataFrame, images: pd.DataFrame, means: pd.DataFrame) -> "Figure":
    """The perception-distortion plane: NIQE over PSNR-Y, one panel per set.

    It shows the grids of interpolated networks and images, and the methods outside of them.
    """
    sets = list(networks["set"].unique())
    figure, axes = _subplots(1, len(sets), cell=(4.6, 3.6))
    for axis, name in zip(axes[0], sets, strict=True):
        for grid, kind, style in ((networks, "networks", "o-"), (images, "images", ".--")):
            rows = grid[grid["set"] == name]
            axis.plot(rows["psnr_y"], rows["niqe"], style, label=f"interpolated {kind}")
        for row in networks[networks["set"] == name].itertuples():
            axis.annotate(f"{row.alpha:g}", (row.psnr_y, row.niqe), fontsize=7)
        for row in means[means["set"] == name].itertuples():
            if row.model not in ("pretrained", "interpolated", "finetuned"):
                axis.plot(row.psnr_y, row.niqe, "s", label=_escape(display_name(row.model)))
        axis.set_title(_escape(str(name)), fontsize=9)
        axis.set_xlabel("PSNR-Y (dB), higher is closer to the original")
        axis.set_ylabel("NIQE, lower looks more natural")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of the suffix; equal figures give equal bytes."""
    with atomic_path(path) as temporary:
        _write(figure, temporary, path.suffix[1:])


def to_svg(figure: "Figure") -> str:
    """A figure as an SVG element; equal figures give equal text."""
    buffer = StringIO()
    _write(figure, buffer, "svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _write(figure: "Figure", target: Path | StringIO, format_: str) -> None:
    from matplotlib import rc_context  # noqa: PLC0415  takes a second to import

    dates: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context({"svg.hashsalt": "esrgan"}):  # no random ids
        figure.savefig(target, dpi=150, format=format_, metadata=dates.get(format_, {}))


def _subplots(
    rows: int, columns: int, cell: tuple[float, float], *, constrained: bool = True
) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import

    size = cell[0] * columns, cell[1] * rows
    figure = Figure(figsize=size, layout="constrained" if constrained else None)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _caption(image: ScoredImage) -> str:
    values = image.values
    return ", ".join(text.format(values[name]) for name, text in CAPTION.items() if name in values)


def _escape(text: str) -> str:
    """Escape what matplotlib would take for mathematics."""
    return text.replace("\\", "\\\\").replace("$", r"\$")
