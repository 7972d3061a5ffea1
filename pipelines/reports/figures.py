"""Figures by matplotlib: contact sheets, curves, the perception-distortion plane."""

from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
FIGURES = {"psnr_y": "{:.2f} dB", "niqe": "NIQE {:.2f}"}
PER_ROW = 4
"""Crops in a row of a patch figure."""


def contact_sheet(columns: Mapping[str, Sequence[ScoredImage]], path: Path) -> None:
    """One row per image, one column per method, the same lively crop throughout."""
    figure, axes = _new(len(next(iter(columns.values()))), len(columns), cell=(2.0, 2.15))
    for column, (title, images) in enumerate(columns.items()):
        for row, image in enumerate(images):
            first = next(iter(columns.values()))[row]
            axis = axes[row][column]
            axis.imshow(image.sr[most_detailed_crop(first.sr, CROP, 1)], interpolation="nearest")
            axis.set_axis_off()
            words = _words(image)
            axis.set_title(f"{plain(title)}\n{words}" if row == 0 else words, fontsize=8)
    save_figure(figure, path)


def _words(image: ScoredImage) -> str:
    return ", ".join(
        form.format(image.values[metric])
        for metric, form in FIGURES.items()
        if metric in image.values
    )


def plain(text: str) -> str:
    """A text that matplotlib shows as it is, and does not take for mathematics."""
    return text.replace("\\", "\\\\").replace("$", r"\$")


def models_sheet(
    samples: Sequence[Sample], results: Mapping[str, Sequence[ScoredImage]], path: Path
) -> None:
    """A contact sheet of every method's first images beside the originals."""
    columns = {**results, "HR": _originals(samples)}
    contact_sheet({name: images[:SHEET] for name, images in columns.items()}, path)


def _originals(samples: Sequence[Sample]) -> list[ScoredImage]:
    return [
        ScoredImage(name=sample.name, set=sample.set, sr=np.asarray(sample.hr), values={})
        for sample in samples
    ]


def patch_figure(sample: Sample, results: Mapping[str, ScoredImage]) -> "Figure":
    """A box on the image and, beside it, the crops of all methods with their figures.

    As in the papers (ESRGAN figure 7).
    """
    hr = np.asarray(sample.hr)
    rows, columns = box = most_detailed_crop(hr, CROP, hr.shape[0] // sample.lr.shape[0])
    crops = {**results, "HR": _originals([sample])[0]}
    lines = -(-len(crops) // PER_ROW)
    figure, axes = _new(lines, PER_ROW + 2, cell=(1.6, 1.85))
    grid = axes[0][0].get_gridspec()
    for axis in axes[:, :2].flatten():
        axis.remove()
    whole = figure.add_subplot(grid[:, :2])
    whole.imshow(hr)
    whole.add_patch(_rectangle(columns.start, rows.start, columns.stop, rows.stop))
    whole.set_title(plain(sample.name.rpartition("/")[2]), fontsize=8)
    whole.set_axis_off()
    for place, axis in enumerate(axes[:, 2:].flatten()):
        axis.set_axis_off()
        if place < len(crops):
            title, scored = list(crops.items())[place]
            axis.imshow(scored.sr[box], interpolation="nearest")
            axis.set_title(f"{plain(display_name(title))}\n{_words(scored)}", fontsize=7)
    return figure


def _rectangle(left: int, top: int, right: int, bottom: int) -> Any:
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    return Rectangle((left, top), right - left, bottom - top, fill=False, color="red", linewidth=2)


def curves_figure(stage: str, curve: pd.DataFrame) -> "Figure":
    """All curves of one training stage: losses, GAN health, validation."""
    names = [name for name in curve.columns if name != "step"]
    lines = -(-len(names) // PER_ROW)
    width, height = cell = (2.8, 2.1)
    # the room for ticks and titles is given: to measure it takes as long as to draw
    figure, axes = _new(lines, PER_ROW, cell, layout=None)
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
        axis.set_title(plain(f"{stage}: {name}"), fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    return figure


def curves(stage: str, curve: pd.DataFrame) -> str:
    """`curves_figure` as SVG."""
    return _svg(curves_figure(stage, curve))


def plane_figure(networks: pd.DataFrame, images: pd.DataFrame, means: pd.DataFrame) -> "Figure":
    """The perception-distortion plane: NIQE over PSNR-Y, one panel per set.

    Args:
        networks: grid of interpolated networks.
        images: grid of interpolated images.
        means: set means of the methods; what lies on the grid is left to it.
    """
    sets = list(networks["set"].unique())
    figure, axes = _new(1, len(sets), cell=(4.6, 3.6))
    for axis, name in zip(axes[0], sets, strict=True):
        for grid, label, style in ((networks, "networks", "o-"), (images, "images", ".--")):
            rows = grid[grid["set"] == name]
            axis.plot(rows["psnr_y"], rows["niqe"], style, label=f"interpolated {label}")
        for row in networks[networks["set"] == name].itertuples():
            axis.annotate(f"{row.alpha:g}", (row.psnr_y, row.niqe), fontsize=7)
        for row in means[means["set"] == name].itertuples():
            if row.model not in ("pretrained", "interpolated", "finetuned"):
                axis.plot(row.psnr_y, row.niqe, "s", label=plain(display_name(row.model)))
        axis.set_title(plain(str(name)), fontsize=9)
        axis.set_xlabel("PSNR-Y (dB), higher is nearer to the original")
        axis.set_ylabel("NIQE, lower looks more natural")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return figure


def plane(networks: pd.DataFrame, images: pd.DataFrame, means: pd.DataFrame) -> str:
    """`plane_figure` as SVG."""
    return _svg(plane_figure(networks, images, means))


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of the suffix, atomically; equal figures are equal bytes."""
    own = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    with atomic_path(path) as temporary:
        figure.savefig(
            temporary, dpi=150, format=path.suffix[1:], metadata=own.get(path.suffix, {})
        )


def _new(
    rows: int,
    columns: int,
    cell: tuple[float, float],
    layout: Literal["constrained"] | None = "constrained",
) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import

    figure = Figure(figsize=(cell[0] * columns, cell[1] * rows), layout=layout)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _svg(figure: "Figure") -> str:
    buffer = StringIO()
    # no date and no random ids: equal figures are equal bytes
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "esrgan"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
