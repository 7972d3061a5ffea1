"""The picture page: one HTML file that needs nothing beside it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from esrgan_core.engine.evaluate import Sample, Scored
from esrgan_core.files import write_text
from esrgan_core.metrics import LOWER_IS_BETTER
from pipelines.images import read_manifest
from pipelines.lineage import data_md5, git_commit
from pipelines.paths import ARTIFACTS, GRID, MANIFEST
from pipelines.report.crops import data_uri, enlarge, liveliest_box
from pipelines.report.figures import CROP, curves, plane
from pipelines.tracking.record import read_record, run_name

PICTURES = 10
UNITS = {"psnr_y": "PSNR-Y (dB)", "ssim_y": "SSIM-Y", "rmse_y": "RMSE-Y", "niqe": "NIQE"}


def write_page(
    path: Path,
    samples: Sequence[Sample],
    results: Mapping[str, Sequence[Scored]],
    means: pd.DataFrame,
    alpha: float,
) -> None:
    """Write the page of one evaluation.

    Args:
        path: the HTML file.
        samples: the test pairs, in the order of every contender's results.
        results: scored pictures by contender.
        means: set means as `contenders.set_means` gives them.
        alpha: of the contender `interpolated`.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        (files("pipelines.report") / "page.html.j2").read_text(encoding="utf-8")
    )
    training = {
        stage: pd.read_csv(ARTIFACTS / stage / "curve.csv") for stage in ("pretrain", "finetune")
    }
    manifest = read_manifest(MANIFEST)
    html = template.render(
        run=run_name(),
        alpha=alpha,
        tables=_tables(means),
        pictures=[_picture(index, sample, results) for index, sample in enumerate(samples)][
            :PICTURES
        ],
        pictures_left_out=max(len(samples) - PICTURES, 0),
        curves=[curves(stage, curve) for stage, curve in training.items()],
        plane=plane(pd.read_csv(GRID)),
        manifest=manifest.to_dict("records"),
        lineage={"git commit": git_commit(), "data.md5": data_md5()} | _records(),
    )
    write_text(path, html)


def _tables(means: pd.DataFrame) -> list[dict[str, Any]]:
    """One table per set: rows of (contender, cells), a cell being (text, is the best)."""
    metrics = [name for name in means.columns if name not in ("model", "set")]
    tables = []
    for name, rows in means.groupby("set", sort=False):
        best = {
            metric: rows[metric].min() if metric in LOWER_IS_BETTER else rows[metric].max()
            for metric in metrics
        }
        lines = [
            (
                row["model"],
                [
                    (f"{row[m]:.4f}" if m == "ssim_y" else f"{row[m]:.2f}", row[m] == best[m])
                    for m in metrics
                ],
            )
            for row in rows.to_dict("records")
        ]
        tables.append({"set": name, "header": [UNITS.get(m, m) for m in metrics], "rows": lines})
    return tables


def _picture(index: int, sample: Sample, results: Mapping[str, Sequence[Scored]]) -> dict[str, Any]:
    hr = np.asarray(sample.hr)
    scale = hr.shape[0] // sample.lr.shape[0]
    box = liveliest_box(hr, CROP, scale)
    lr_box = tuple(slice(side.start // scale, side.stop // scale) for side in box)
    crops = [("LR", "", data_uri(enlarge(np.asarray(sample.lr)[lr_box], scale)))]
    for name, pictures in results.items():
        values = pictures[index].values
        figures = ", ".join(
            f"{UNITS.get(metric, metric).partition(' ')[0]} {values[metric]:.2f}"
            for metric in ("psnr_y", "niqe")
            if metric in values
        )
        crops.append((name, figures, data_uri(np.ascontiguousarray(pictures[index].sr[box]))))
    crops.append(("HR", "", data_uri(np.ascontiguousarray(hr[box]))))
    return {"name": sample.name.rpartition("/")[2], "set": sample.set, "crops": crops}


def _records() -> dict[str, str]:
    """How long the stages took, and the names of the runs that made what is shown."""
    found = {}
    for stage in ("pretrain", "finetune"):
        if (record := read_record(stage)) is not None:
            parameters = record.params_sha256[:12]
            found[stage] = f"{record.seconds:.0f} s in run {record.run}, parameters {parameters}"
    return found
