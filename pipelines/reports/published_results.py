"""Results that papers report for x4, to compare ours to."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipelines.runtime.tables import read_table


class PublishedResult(NamedTuple):
    """A value and the paper that reports it."""

    value: float
    source: str


def published_result(model: str, set_name: str, metric: str, scale: int) -> PublishedResult | None:
    """The published result of a method on a set; None if there is no comparable one.

    The name of the set is case-insensitive. SSIM of the SRGAN paper is absent, since it was
    measured differently.

    >>> published_result("bicubic", "Set5", "psnr_y", 4).value
    28.42
    """
    return _results().get((model, set_name.lower(), metric)) if scale == 4 else None


@cache
def _results() -> dict[tuple[str, str, str], PublishedResult]:
    table = read_table(Path(__file__).with_name("published.csv"))
    return {
        (model, set_name, metric): PublishedResult(value, source)
        for model, set_name, metric, value, source in table.itertuples(index=False)
    }


def training_size_note(training_images: int) -> str:
    """How to read the difference to a paper's results."""
    return (
        "In brackets: as published. The papers' networks were trained on 800 to 350,000 images "
        f"for up to a million steps, these on {training_images}. If your networks are small or "
        "trained for minutes, the difference shows the size of the training, not the quality of "
        "the method."
    )
