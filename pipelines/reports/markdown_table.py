"""A comparison as Markdown: our figures, what the papers have, and words on the difference."""

import pandas as pd

from pipelines.evaluation.bootstrap import metrics_in
from pipelines.evaluation.methods import set_means
from pipelines.reports.labels import number, title_of
from pipelines.reports.published_results import published


def comparison(frame: pd.DataFrame, scale: int, training_pictures: int) -> str:
    """A table per set, a row per model; the papers' figures follow ours in brackets.

    Args:
        frame: per image, as `methods.compare` gives it.
        scale: of the models.
        training_pictures: that they were trained on.
    """
    names = metrics_in(frame)
    lines = []
    for set_name, rows in set_means(frame).groupby("set", sort=False):
        count = int(frame[frame["set"] == set_name].groupby("model").size().max())
        lines += [f"## {set_name}, {count} images", ""]
        lines.append(f"| model | {' | '.join(title_of(name) for name in names)} |")
        lines.append("|---|" + "---|" * len(names))
        for row in rows.to_dict("records"):
            cells = []
            for name in names:
                known = published(_known_as(str(row["model"])), str(set_name), name, scale)
                beside = "" if known is None else f" ({number(name, known.value)})"
                cells.append(f"{number(name, row[name])}{beside}")
            lines.append(f"| {title_of(row['model'])} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, words_on_size(training_pictures)])


def _known_as(model: str) -> str:
    return {"alpha 0": "pretrained", "alpha 1": "finetuned"}.get(model, model)


def words_on_size(training_pictures: int) -> str:
    """What to make of the difference to a paper's figures."""
    return (
        "In brackets: as published. The papers' networks were trained on 800 to 350,000 images "
        f"for up to a million steps, these on {training_pictures}; where they are small and "
        "trained for minutes, the difference tells the size of the training, not the worth of "
        "the method."
    )
