"""The HTML report of an evaluation: one file that works without a network."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.metric_names import LOWER_IS_BETTER, METRIC_NAMES
from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, IMAGE_GRID
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.evaluation.bootstrap import interval_table, paired_difference, worst_images
from pipelines.evaluation.score_table import metric_columns
from pipelines.reports.figures import curves_figure, plane_figure, to_svg
from pipelines.reports.image_sets import read_manifest_table, summarize_sets
from pipelines.reports.published_results import published_result, training_size_note
from pipelines.reports.template import load_template
from pipelines.reports.views import View, embed_images
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import read_record, run_name
from pipelines.runtime.tables import read_table


def write_html_report(
    path: Path, evaluation: Evaluation, views: Sequence[View], scale: int, trainings: Sequence[str]
) -> None:
    """Write the report; `trainings` are the stages whose curves and cost it shows."""
    frame = evaluation.frame
    images = embed_images(evaluation.shown, views)
    manifest = read_manifest_table()
    curves = [
        to_svg(curves_figure(stage, read_table(ARTIFACTS / stage / "curve.csv")))
        for stage in trainings
    ]
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
        curves=curves,
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
    intervals = {
        (row["model"], row["set"], row["metric"]): row
        for row in interval_table(frame).to_dict("records")
    }
    for set_name, means in evaluation.means.groupby("set", sort=False):
        metrics = [name for name in metric_columns(frame) if means[name].notna().any()]
        best = {
            name: means[name].min() if name in LOWER_IS_BETTER else means[name].max()
            for name in metrics
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
