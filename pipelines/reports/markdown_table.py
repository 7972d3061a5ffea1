"""A comparison of methods as Markdown tables, with published results."""

import pandas as pd

from pipelines.evaluation.score_table import metric_columns, set_means
from pipelines.reports.labels import display_name, format_value
from pipelines.reports.published_results import published_result, training_size_note


def comparison_table(frame: pd.DataFrame, scale: int, training_images: int) -> str:
    """One table per set, one row per method; published results follow in brackets."""
    metrics = metric_columns(frame)
    lines = []
    for set_name, rows in set_means(frame).groupby("set", sort=False):
        count = int(frame[frame["set"] == set_name].groupby("model").size().max())
        lines += [f"## {set_name}, {count} images", ""]
        lines.append(f"| model | {' | '.join(map(display_name, metrics))} |")
        lines.append("|---|" + "---|" * len(metrics))
        for row in rows.to_dict("records"):
            method = str(row["model"])
            published = {"alpha 0": "pretrained", "alpha 1": "finetuned"}.get(method, method)
            cells = []
            for metric in metrics:
                known = published_result(published, str(set_name), metric, scale)
                suffix = "" if known is None else f" ({format_value(metric, known.value)})"
                cells.append(f"{format_value(metric, row[metric])}{suffix}")
            lines.append(f"| {display_name(method)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, training_size_note(training_images)])
