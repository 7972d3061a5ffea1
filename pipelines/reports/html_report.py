"""The image page: one HTML file that needs nothing beside it, nor a network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluation import Pixels, Sample, ScoredImage
from esrgan_core.files import write_text
from esrgan_core.metric_names import LOWER_IS_BETTER, METRIC_NAMES
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, IMAGE_GRID, MANIFEST
from pipelines.data.manifest import read_manifest
from pipelines.evaluation.alpha_selection import AlphaChoice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.evaluation.bootstrap import interval_table, paired_difference, worst_images
from pipelines.evaluation.score_table import metric_columns
from pipelines.reports.crops import Box, data_uri, most_detailed_crop, thumbnail
from pipelines.reports.figures import curves, plane
from pipelines.reports.labels import display_name, format_value
from pipelines.reports.markdown_table import training_size_note
from pipelines.reports.published_results import published_result
from pipelines.reports.template import load_template
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import read_record, run_name
from pipelines.runtime.tables import read_table

CROP = 256
"""HR pixels on a side of what is shown of a image."""
THUMBNAIL = 320
MOST_BYTES = 15 * 10**6
"""Of the page; what would make it larger is left out, and said."""
LEFT_FOR_THE_REST = 10**6
CAPTION = ("psnr_y", "ssim_y", "lpips", "niqe")


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One way to see every image: a method's results, or the originals."""

    title: str
    alpha: float | None
    """Where it lies between the two networks; None for everything else."""
    images: Sequence[ScoredImage]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportData:
    """What a page is about."""

    evaluation: Evaluation
    between: Mapping[float, Sequence[ScoredImage]]
    """Results at the alphas that are no methods, for the images that are shown."""
    choice: AlphaChoice
    scale: int
    trainings: Sequence[str]
    """Stages whose curves and cost are shown."""


def collect_views(subject: ReportData) -> list[View]:
    """Every method, with the alphas in their order between the two networks, then HR."""
    images = subject.evaluation.images
    ends = {"pretrained": 0.0, "interpolated": subject.choice.alpha, "finetuned": 1.0}
    plain = [
        View(title=display_name(name), alpha=None, images=scored)
        for name, scored in images.items()
        if name not in ends
    ]
    at = dict(subject.between)
    at |= {alpha: images[name] for name, alpha in reversed(ends.items()) if name in images}
    own = {0.0: " (pretrained)", 1.0: " (finetuned)"}
    alphas = [
        View(title=f"alpha {alpha:g}{own.get(alpha, '')}", alpha=alpha, images=at[alpha])
        for alpha in sorted(at)
    ]
    originals = [
        ScoredImage(name=sample.name, set=sample.set, sr=np.asarray(sample.hr), values={})
        for sample in subject.evaluation.shown
    ]
    return [*plain, *alphas, View(title="HR", alpha=None, images=originals)]


def write_html_report(path: Path, subject: ReportData) -> None:
    """Write the page of one evaluation."""
    here = files("pipelines.reports")
    views = collect_views(subject)
    images, left_out = _images(subject.evaluation.shown, views)
    frame = subject.evaluation.frame
    manifest = pd.DataFrame([asdict(row) for row in read_manifest(MANIFEST)])
    html = load_template("page.html.j2", autoescape=True).render(
        run=run_name(),
        style=(here / "page.css").read_text(encoding="utf-8"),
        script=(here / "page.js").read_text(encoding="utf-8"),
        choice=subject.choice,
        tables=list(_tables(subject)),
        absent=[name for name in (*METRIC_NAMES, "pi") if name not in frame.columns],
        differences=_differences(frame),
        worst=_worst(frame),
        images=images,
        measured=frame.groupby("model").size().max(),
        left_out=left_out,
        size=training_size_note(int((manifest["split"] == "train").sum())),
        curves=[
            curves(stage, read_table(ARTIFACTS / stage / "curve.csv"))
            for stage in subject.trainings
        ],
        plane=plane(read_table(ALPHA_GRID), read_table(IMAGE_GRID), subject.evaluation.means),
        splits=_splits(manifest),
        manifest=manifest.to_dict("records"),
        lineage={"git commit": git_commit(), "data.md5": data_md5()},
        cost=_cost(subject.trainings),
    )
    write_text(path, html)


def _tables(subject: ReportData) -> Iterator[dict[str, Any]]:
    """One table per set: rows of (method, cells), a cell saying what a reader wants to know."""
    frame = subject.evaluation.frame
    spread = {
        (row["model"], row["set"], row["metric"]): row
        for row in interval_table(frame).to_dict("records")
    }
    names = metric_columns(frame)
    for set_name, rows in subject.evaluation.means.groupby("set", sort=False):
        measured = [name for name in names if rows[name].notna().any()]
        best = {
            name: rows[name].min() if name in LOWER_IS_BETTER else rows[name].max()
            for name in measured
        }
        lines = []
        for row in rows.to_dict("records"):
            cells = []
            for name in measured:
                known = published_result(row["model"], str(set_name), name, subject.scale)
                at = spread[row["model"], set_name, name]
                cells.append(
                    {
                        "text": format_value(name, row[name]),
                        "best": row[name] == best[name],
                        "spread": ""
                        if np.isnan(at["low"])
                        else f"{format_value(name, at['low'])} to {format_value(name, at['high'])}",
                        "published": "" if known is None else format_value(name, known.value),
                        "difference": ""
                        if known is None
                        else format_value(name, row[name] - known.value, signed=True),
                        "source": "" if known is None else known.source,
                    }
                )
            lines.append((display_name(row["model"]), cells))
        header = [display_name(name) for name in measured]
        count = int(frame[frame["set"] == set_name].groupby("model").size().max())
        yield {"set": set_name, "count": count, "header": header, "rows": lines}


def _differences(frame: pd.DataFrame) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of the last method to each other, paired by image: (metric, [(method, text)])."""
    models = list(frame["model"].unique())
    ours = frame[frame["model"] == models[-1]]
    found = []
    for metric in metric_columns(frame):
        lines = [
            (display_name(name), str(difference))
            for name in models[:-1]
            if (difference := paired_difference(ours, frame[frame["model"] == name], metric))
            is not None
        ]
        found.append((display_name(metric), lines))
    return found


def _worst(frame: pd.DataFrame) -> list[tuple[str, list[tuple[str, str]]]]:
    """The images that the last method is worst on: (metric, [(image, value)])."""
    model = list(frame["model"].unique())[-1]
    return [
        (
            display_name(metric),
            [
                (f"{row['set']}/{row['name']}", format_value(metric, row[metric]))
                for row in worst_images(frame, model, metric).to_dict("records")
            ],
        )
        for metric in metric_columns(frame)
    ]


def _images(shown: Sequence[Sample], views: Sequence[View]) -> tuple[list[dict[str, Any]], int]:
    """(what the page holds of each image, how many it would be too large with)."""
    found: list[dict[str, Any]] = []
    room = MOST_BYTES - LEFT_FOR_THE_REST
    for index, sample in enumerate(shown):
        image = _image(index, sample, views)
        room -= len(to_json(image))
        if room < 0:
            return found, len(shown) - index
        found.append(image)
    return found, 0


def _image(index: int, sample: Sample, views: Sequence[View]) -> dict[str, Any]:
    hr = np.asarray(sample.hr)
    scale = hr.shape[0] // sample.lr.shape[0]
    rows, columns = box = most_detailed_crop(hr, CROP, scale)
    height, width = hr.shape[:2]
    return {
        "name": sample.name.rpartition("/")[2],
        "set": sample.set,
        "side": columns.stop - columns.start,
        "whole": data_uri(thumbnail(hr, THUMBNAIL), quality=80),
        "box": {
            "left": 100 * columns.start / width,
            "top": 100 * rows.start / height,
            "width": 100 * (columns.stop - columns.start) / width,
            "height": 100 * (rows.stop - rows.start) / height,
        },
        "views": [
            {
                "title": view.title,
                "alpha": view.alpha,
                "figures": caption(view.images[index].values),
                "uri": data_uri(_cut(view.images[index].sr, box)),
            }
            for view in views
        ],
    }


def caption(values: Mapping[str, float]) -> str:
    """A image's figures as the line beneath it.

    >>> caption({"psnr_y": 25.5, "rmse_y": 9.0, "niqe": 5.0})
    'PSNR-Y 25.50, NIQE 5.00'
    """
    return ", ".join(
        f"{display_name(name)} {format_value(name, values[name])}"
        for name in CAPTION
        if name in values
    )


def _cut(pixels: Pixels, box: Box) -> Pixels:
    return np.ascontiguousarray(pixels[box])


def _splits(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    """What the images are, per split and set."""
    return [
        {
            "split": split,
            "set": set_name,
            "count": len(rows),
            "megapixels": f"{(rows['width'] * rows['height']).sum() / 1e6:.1f}",
            "licenses": ", ".join(sorted(set(rows["license"].astype(str)))),
        }
        for (split, set_name), rows in manifest.groupby(["split", "set"], sort=False)
    ]


def _cost(trainings: Sequence[str]) -> list[dict[str, str]]:
    """What each training took, and the runs that it can be found by."""
    found = []
    for stage in trainings:
        if (record := read_record(stage)) is None:
            continue
        content = from_json((ARTIFACTS / stage / "metrics.json").read_text(encoding="utf-8"))
        usage = read_table(ARTIFACTS / stage / "usage.csv")
        speed = usage.get("system/steps_per_second", pd.Series(dtype=float)).median()
        found.append(
            {
                "stage": stage,
                "steps": str(content["steps"]),
                "speed": f"{speed:.2f}" if pd.notna(speed) else "",
                "seconds": f"{record.seconds:.0f}",
                "alarms": ", ".join(alarm["name"] for alarm in content["alarms"]) or "none",
                "run": record.run,
                "mlflow": record.mlflow_run_id,
                "commit": record.git_commit,
                "params": record.params_sha256[:12],
            }
        )
    return found
