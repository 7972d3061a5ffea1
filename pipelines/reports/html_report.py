"""The HTML report of an evaluation: one file that works without a network."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluation import Sample, ScoredImage
from esrgan_core.files import write_text
from esrgan_core.metric_names import LOWER_IS_BETTER, METRIC_NAMES
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, IMAGE_GRID
from pipelines.evaluation.alpha_selection import model_alphas, read_choice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.evaluation.bootstrap import interval_table, paired_difference, worst_images
from pipelines.evaluation.score_table import metric_columns
from pipelines.reports.crops import data_uri, most_detailed_crop, thumbnail
from pipelines.reports.figures import curves_figure, originals, plane_figure, to_svg
from pipelines.reports.labels import display_name, format_value
from pipelines.reports.published_results import published_result, training_size_note
from pipelines.reports.templates import load_template, read_manifest_table, summarize_sets
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import read_record, run_name
from pipelines.runtime.tables import read_table

CROP = 256
"""Side of a crop in HR pixels."""
THUMBNAIL = 320
MAX_BYTES = 14 * 10**6
"""Of all images; the rest of the page is below 1 MB."""
CAPTION = ("psnr_y", "ssim_y", "lpips", "niqe")


class View(NamedTuple):
    """The results of one method, or the originals."""

    title: str
    alpha: float | None
    """Of an interpolated network; None for everything else."""
    images: Sequence[ScoredImage]


def write_html_report(
    path: Path, evaluation: Evaluation, views: Sequence[View], scale: int, trainings: Sequence[str]
) -> None:
    """Write the report; `trainings` are the stages whose curves and cost it shows."""
    frame = evaluation.frame
    images = embed_images(evaluation.shown, views)
    manifest = read_manifest_table()
    plane = plane_figure(read_table(ALPHA_GRID), read_table(IMAGE_GRID), evaluation.means)
    metrics = metric_columns(frame)
    last = frame["model"].unique()[-1]
    html = load_template("page.html.j2", autoescape=True).render(
        run=run_name(),
        choice=read_choice(),
        tables=list(_tables(evaluation, scale)),
        absent=[name for name in (*METRIC_NAMES, "pi") if name not in frame.columns],
        differences={metric: _differences(frame, metric) for metric in metrics},
        worst={name: worst_images(frame, last, name).to_dict("records") for name in metrics},
        images=images,
        measured=frame.groupby("model").size().max(),
        left_out=len(evaluation.shown) - len(images),
        size=training_size_note(int((manifest["split"] == "train").sum())),
        curves=[
            to_svg(curves_figure(stage, read_table(ARTIFACTS / stage / "curve.csv")))
            for stage in trainings
        ],
        plane=to_svg(plane),
        sets=summarize_sets(manifest),
        manifest=manifest.to_dict("records"),
        lineage={"git commit": git_commit(), "data.md5": data_md5()},
        cost=list(_cost(trainings)),
    )
    write_text(path, html)


def _tables(evaluation: Evaluation, scale: int) -> Iterator[dict[str, Any]]:
    """One table per set: a row per method, a cell per metric."""
    frame = evaluation.frame
    intervals = interval_table(frame).set_index(["model", "set", "metric"]).to_dict("index")
    for set_name, means in evaluation.means.groupby("set", sort=False):
        metrics = [name for name in metric_columns(frame) if means[name].notna().any()]
        best = {
            name: means[name].agg("min" if name in LOWER_IS_BETTER else "max") for name in metrics
        }
        yield {
            "set": set_name,
            "count": int(frame[frame["set"] == set_name].groupby("model").size().max()),
            "metrics": metrics,
            "rows": {
                row["model"]: {
                    name: {
                        "value": row[name],
                        "is_best": row[name] == best[name],
                        "interval": intervals[row["model"], set_name, name],
                        "published": published_result(row["model"], str(set_name), name, scale),
                    }
                    for name in metrics
                }
                for row in means.to_dict("records")
            },
        }


def _differences(frame: pd.DataFrame, metric: str) -> dict[str, Any]:
    """The difference of the last method to each other one, by method."""
    *others, last = (rows for _, rows in frame.groupby("model", sort=False))
    pairs = {rows["model"].iloc[0]: paired_difference(last, rows, metric) for rows in others}
    return {name: difference for name, difference in pairs.items() if difference is not None}


def _cost(trainings: Sequence[str]) -> Iterator[dict[str, Any]]:
    for stage in trainings:
        if (record := read_record(stage)) is None:
            continue
        metrics = from_json((ARTIFACTS / stage / "metrics.json").read_text(encoding="utf-8"))
        usage = read_table(ARTIFACTS / stage / "usage.csv")
        speed = usage.get("system/steps_per_second", pd.Series(dtype=float)).median()
        yield {
            "record": record,
            "steps": metrics["steps"],
            "speed": f"{speed:.2f}" if pd.notna(speed) else "",
            "warnings": ", ".join(warning["name"] for warning in metrics["alarms"]) or "none",
        }


def collect_views(
    evaluation: Evaluation, between: Mapping[float, Sequence[ScoredImage]], chosen: float
) -> list[View]:
    """Every method, then the networks sorted by alpha, then HR.

    `between` has results of alphas that are not among the methods; `interpolated` has `chosen`.
    """
    results, networks = evaluation.images, model_alphas(chosen)
    methods = [
        View(display_name(name), None, results[name]) for name in results if name not in networks
    ]
    own = {alpha: results[name] for name, alpha in networks.items() if name in results}
    ends = {0.0: " (pretrained)", 1.0: " (finetuned)"}
    alphas = [
        View(f"alpha {alpha:g}{ends.get(alpha, '')}", alpha, images)
        for alpha, images in sorted({**between, **own}.items())
    ]
    return [*methods, *alphas, View("HR", None, originals(evaluation.shown))]


def embed_images(shown: Sequence[Sample], views: Sequence[View]) -> list[dict[str, Any]]:
    """The data of as many images as fit into `MAX_BYTES`."""
    images = [_embed_image(index, sample, views) for index, sample in enumerate(shown)]
    sizes = accumulate(len(to_json(image)) for image in images)
    return [image for image, size in zip(images, sizes, strict=True) if size <= MAX_BYTES]


def _embed_image(index: int, sample: Sample, views: Sequence[View]) -> dict[str, Any]:
    hr = np.asarray(sample.hr)
    height, width = hr.shape[:2]
    rows, columns = box = most_detailed_crop(hr, CROP, height // sample.lr.shape[0])
    side = columns.stop - columns.start
    return {
        "name": sample.name.rpartition("/")[2],
        "set": sample.set,
        "side": side,
        "whole": data_uri(thumbnail(hr, THUMBNAIL), quality=80),
        "box": {
            "left": 100 * columns.start / width,
            "top": 100 * rows.start / height,
            "width": 100 * side / width,
            "height": 100 * side / height,
        },
        "views": [
            {
                "title": view.title,
                "alpha": view.alpha,
                "figures": caption(view.images[index].values),
                "uri": data_uri(view.images[index].sr[box]),
            }
            for view in views
        ],
    }


def caption(values: Mapping[str, float]) -> str:
    """The line below an image.

    >>> caption({"psnr_y": 25.5, "rmse_y": 9.0, "niqe": 5.0})
    'PSNR-Y 25.50, NIQE 5.00'
    """
    shown = [metric for metric in CAPTION if metric in values]
    return ", ".join(f"{display_name(name)} {format_value(name, values[name])}" for name in shown)
