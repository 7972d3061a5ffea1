"""Contenders on test images: figures with their spread, and what the page shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esrgan_core.engine.evaluation import Method, Sample, Scored
from esrgan_core.files import atomic_path, write_text
from esrgan_core.metrics import Metric, metrics_by_name, perceptual_index
from esrgan_core.strict_json import to_json
from pipelines.evaluation.alpha_grid import figures_at, results_at
from pipelines.evaluation.bootstrap import intervals
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.methods import compare, nested, on_equal_terms, set_means
from pipelines.runtime.tables import read_table
from pipelines.sources.pinned import find_pinned
from pipelines.sources.pretrained_weights import weights_finder

SHOWN = 10
"""Images on the page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What was measured."""

    frame: pd.DataFrame
    """One row per method and image."""
    shown: Sequence[Sample]
    images: Mapping[str, Sequence[Scored]]
    """Results for `shown`, by method."""

    @property
    def means(self) -> pd.DataFrame:
        """Set means."""
        return set_means(self.frame)


def measures(config: EvaluateConfig) -> dict[str, Metric]:
    """The metrics of section `evaluate`.

    Raises:
        FileNotFoundError: if weights for one cannot be had.
        ValueError: if they are not those that params.yaml has the hash of.
    """
    files = {name: str(find_pinned(value)) for name, value in config.weight_files.items()}
    return metrics_by_name(config.metrics, weights_finder(files))


def shown_of(samples: Sequence[Sample], count: int = SHOWN) -> list[Sample]:
    """The first images of every set in turn, up to `count`, in the order of `samples`."""
    sets: dict[str, list[Sample]] = {}
    for sample in samples:
        sets.setdefault(sample.set, []).append(sample)
    turns = chain.from_iterable(zip_longest(*sets.values()))
    names = [sample.name for sample in turns if sample is not None][:count]
    return [sample for sample in samples if sample.name in names]


def evaluate_all(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    config: EvaluateConfig,
    scale: int,
    what: str,
    *,
    of_grid: Mapping[str, float] | None = None,
) -> Evaluation:
    """Measure every method on every image.

    Args:
        methods: what is run.
        samples: the images.
        config: metrics, and the files that they need.
        scale: of the upscaling.
        what: shown with the progress.
        of_grid: alphas that `interpolate` has measured on these images, by name of the model.

    Raises:
        FileNotFoundError: if weights for a metric, or Ma's scores, cannot be had.
        ValueError: if Ma's scores cannot be used, or a file has other content than its hash says.
    """
    shown = shown_of(samples)
    names = {sample.name for sample in shown}
    frame, images = compare(methods, samples, measures(config), scale, what, names)
    for name, alpha in (of_grid or {}).items():
        frame = pd.concat([frame, figures_at(alpha).assign(model=name)], ignore_index=True)
        images[name] = results_at(alpha, shown)
    frame = on_equal_terms(frame)
    if config.ma_scores:
        frame = with_perceptual_index(frame, find_pinned(config.ma_scores))
    return Evaluation(frame=frame, shown=shown, images=images)


def with_perceptual_index(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with `pi`, where a file has Ma's score; empty elsewhere.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: as `read_ma_scores`.
    """
    keys = ["model", "set", "name"]
    both = frame.merge(read_ma_scores(path, keys), on=keys, how="left")
    pairs = zip(both["niqe"], both.pop("ma"), strict=True)
    return both.assign(pi=[perceptual_index(niqe, ma) for niqe, ma in pairs])


def read_ma_scores(path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Ma's scores out of a file: the columns `keys`, which name a image, and `ma`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no table, lacks a column, or has a image without a number or twice.
    """
    scores = read_table(path)
    if missing := {*keys, "ma"} - set(scores.columns):
        raise ValueError(f"{path} lacks the columns {sorted(missing)}")
    scores = scores[[*keys, "ma"]]
    ma = pd.to_numeric(scores["ma"], errors="coerce")
    problems = {
        "has no number as ma": ~np.isfinite(ma),
        "has more than one line": scores.duplicated(list(keys)),
    }
    for problem, found in problems.items():
        if found.any():
            row = scores[found].iloc[0]
            image = ", ".join(f"{key} {row[key]!r}" for key in keys)
            raise ValueError(f"{path}: {image} {problem}; it needs one line, with Ma's score")
    return scores.assign(ma=ma)


def write_metrics(evaluation: Evaluation, folder: Path) -> None:
    """Leave `metrics.json`, `per_image.csv` and `intervals.csv` in a stage's folder."""
    tables: dict[str, Any] = {
        "per_image.csv": evaluation.frame,
        "intervals.csv": intervals(evaluation.frame),
    }
    for name, table in tables.items():
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6f")
    write_text(folder / "metrics.json", to_json(nested(evaluation.means), indent=2) + "\n")
