"""A comparison as Markdown: our figures, what the papers have, and words on the difference."""

import pandas as pd

from pipelines.evaluation.score_table import metric_columns, set_means
from pipelines.reports.labels import display_name, format_value
from pipelines.reports.published_results import published_result


def comparison_table(frame: pd.DataFrame, scale: int, training_pictures: int) -> str:
    """A table per set, a row per model; the papers' figures follow ours in brackets.

    Args:
        frame: per image, as `methods.compare` gives it.
        scale: of the models.
        training_pictures: that they were trained on.
    """
    names = metric_columns(frame)
    lines = []
    for set_name, rows in set_means(frame).groupby("set", sort=False):
        count = int(frame[frame["set"] == set_name].groupby("model").size().max())
        lines += [f"## {set_name}, {count} images", ""]
        lines.append(f"| model | {' | '.join(display_name(name) for name in names)} |")
        lines.append("|---|" + "---|" * len(names))
        for row in rows.to_dict("records"):
            cells = []
            for name in names:
                known = published_result(_known_as(str(row["model"])), str(set_name), name, scale)
                beside = "" if known is None else f" ({format_value(name, known.value)})"
                cells.append(f"{format_value(name, row[name])}{beside}")
            lines.append(f"| {display_name(row['model'])} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, training_size_note(training_pictures)])


def _known_as(model: str) -> str:
    return {"alpha 0": "pretrained", "alpha 1": "finetuned"}.get(model, model)


def training_size_note(training_pictures: int) -> str:
    """What to make of the difference to a paper's figures."""
    return (
        "In brackets: as published. The papers' networks were trained on 800 to 350,000 images "
        f"for up to a million steps, these on {training_pictures}; where they are small and "
        "trained for minutes, the difference tells the size of the training, not the worth of "
        "the method."
    )
