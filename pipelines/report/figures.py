"""Figures by matplotlib: contact sheets, curves, the perception-distortion plane."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluate import Sample, Scored
from esrgan_core.files import atomic_path
from pipelines.report.crops import liveliest_box

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CROP = 128
SHOWN = 5
"""Pictures on a contact sheet."""
TITLES = {"psnr_y": "{:.2f} dB", "niqe": "NIQE {:.2f}"}


def contact_sheet(columns: Mapping[str, Sequence[Scored]], path: Path) -> None:
    """One row per picture, one column per contender, the same lively crop throughout."""
    figure, axes = _new(len(next(iter(columns.values()))), len(columns), cell=(2.0, 2.15))
    for column, (title, pictures) in enumerate(columns.items()):
        for row, picture in enumerate(pictures):
            first = next(iter(columns.values()))[row]
            axis = axes[row][column]
            axis.imshow(picture.sr[liveliest_box(first.sr, CROP, 1)], interpolation="nearest")
            axis.set_axis_off()
            figures = ", ".join(
                form.format(picture.values[metric])
                for metric, form in TITLES.items()
                if metric in picture.values
            )
            axis.set_title(f"{title}\n{figures}" if row == 0 else figures, fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def models_sheet(
    samples: Sequence[Sample], results: Mapping[str, Sequence[Scored]], path: Path
) -> None:
    """A contact sheet of every contender's first pictures beside the originals."""
    originals = [
        Scored(name=sample.name, set=sample.set, sr=np.asarray(sample.hr), values={})
        for sample in samples
    ]
    columns = {**results, "HR": originals}
    contact_sheet({name: pictures[:SHOWN] for name, pictures in columns.items()}, path)


def curves(stage: str, curve: pd.DataFrame) -> str:
    """All curves of one training stage as SVG."""
    names = [name for name in curve.columns if name != "step"]
    figure, axes = _new(1, len(names), cell=(2.7, 2.1))
    for axis, name in zip(axes[0], names, strict=True):
        present = curve[["step", name]].dropna()
        axis.plot(present["step"], present[name], linewidth=1.2)
        axis.set_title(f"{stage}: {name}", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    return _svg(figure)


def plane(grid: pd.DataFrame) -> str:
    """NIQE over PSNR-Y along the alpha grid, one line per set, as SVG."""
    figure, axes = _new(1, 1, cell=(5.0, 3.4))
    axis = axes[0][0]
    for name, rows in grid.groupby("set"):
        axis.plot(rows["psnr_y"], rows["niqe"], marker="o", label=str(name))
        for row in rows.itertuples():
            axis.annotate(f"{row.alpha:g}", (row.psnr_y, row.niqe), fontsize=7)
    axis.set_xlabel("PSNR-Y (dB), higher is nearer to the original")
    axis.set_ylabel("NIQE, lower looks more natural")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return _svg(figure)


def _new(rows: int, columns: int, cell: tuple[float, float]) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import

    figure = Figure(figsize=(cell[0] * columns, cell[1] * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _svg(figure: "Figure") -> str:
    buffer = StringIO()
    # no date and no random ids: equal figures are equal bytes
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "esrgan"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
