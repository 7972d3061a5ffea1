"""Score methods on test images, and write the tables of an evaluation."""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.engine.evaluation import Method, Sample, ScoredImage, score
from esrgan_core.files import write_text
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.metrics import Metric, metrics_by_name
from esrgan_core.strict_json import to_json
from pipelines.config.errors import as_user_error
from pipelines.evaluation import score_table
from pipelines.evaluation.alpha_selection import grid_results, grid_scores
from pipelines.evaluation.bootstrap import interval_table
from pipelines.evaluation.config import EvaluateConfig
from pipelines.runtime.progress import progress
from pipelines.runtime.tables import write_table
from pipelines.sources.pinned import find_pinned
from pipelines.sources.pretrained_weights import weights_finder

SHOWN = 10
"""Images in the HTML report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The scores of all methods, and the results for some images."""

    frame: pd.DataFrame
    """A table of scores (see `score_table`)."""
    shown: Sequence[Sample]
    images: Mapping[str, Sequence[ScoredImage]]
    """Results for `shown`, by method."""

    @property
    def means(self) -> pd.DataFrame:
        """Set means."""
        return score_table.set_means(self.frame)


@as_user_error()
def load_metrics(config: EvaluateConfig) -> dict[str, Metric]:
    """The metrics of a section; a UserError if weights are missing or have another hash."""
    files = {name: str(find_pinned(value)) for name, value in config.weight_files.items()}
    return metrics_by_name(config.metrics, weights_finder(files))


def select_shown(samples: Sequence[Sample], count: int = SHOWN) -> list[Sample]:
    """Up to `count` samples, the first ones of each set, in the order of `samples`."""
    sets: dict[str, list[Sample]] = {}
    for sample in samples:
        sets.setdefault(sample.set, []).append(sample)
    turns = chain.from_iterable(zip_longest(*sets.values()))
    names = [sample.name for sample in turns if sample is not None][:count]
    return [sample for sample in samples if sample.name in names]


def score_methods(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    metrics: Mapping[str, Metric],
    scale: int,
    task: str,
    shown: Collection[str] = (),
) -> tuple[pd.DataFrame, dict[str, list[ScoredImage]]]:
    """Score every method on every sample; `task` names the progress bar.

    A metric that cannot measure a result is NaN; a message gives the reason once for each image.

    Returns:
        (table of scores, results by method for the samples named in `shown`).

    Raises:
        NotFiniteError: if a result is not finite; names the method and the image.
        UserError: if the LR and HR of a sample do not fit together.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in methods}
    images: dict[str, list[ScoredImage]] = {name: [] for name in methods}
    unmeasured: dict[tuple[str, str], str] = {}
    done = count(1)
    with progress(task, len(methods) * len(samples)) as advance:
        for sample in samples:
            image = sample.name.rpartition("/")[2]
            for name, method in methods.items():
                try:
                    sr = method(sample)
                except NotFiniteError as error:
                    raise NotFiniteError(f"{name} on {sample.name}: ") from error
                with as_user_error():
                    scored = score(sample, sr, metrics, scale)
                rows[name].append(
                    {"model": name, "set": sample.set, "name": image, **scored.values}
                )
                for metric, reason in scored.unmeasured.items():
                    unmeasured.setdefault((f"{sample.set}/{image}", metric), f"{name}: {reason}")
                if sample.name in shown:  # the results of a large set do not fit into memory
                    images[name].append(scored)
                advance(next(done), f"{name}: {sample.name}")
    for (image, metric), reason in unmeasured.items():
        print(f"{image} is left out of {metric}: {reason}", file=sys.stderr)
    return pd.DataFrame([row for each in rows.values() for row in each]), images


def evaluate_methods(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    config: EvaluateConfig,
    scale: int,
    task: str,
    *,
    grid_alphas: Mapping[str, float] | None = None,
) -> Evaluation:
    """Evaluate methods by the metrics of section `evaluate`; `task` names the progress bar.

    `grid_alphas` are alphas by name of the model, which `interpolate` has scored on `samples`.

    Raises:
        UserError: if weights or Ma's scores are missing, invalid, or differ from their hash.
    """
    shown = select_shown(samples)
    names = {sample.name for sample in shown}
    frame, images = score_methods(methods, samples, load_metrics(config), scale, task, names)
    for name, alpha in (grid_alphas or {}).items():
        frame = pd.concat([frame, grid_scores(alpha).assign(model=name)], ignore_index=True)
        images[name] = grid_results(alpha, shown)
    frame = score_table.mask_incomplete(frame)
    if config.ma_scores:
        frame = score_table.add_perceptual_index(frame, find_pinned(config.ma_scores))
    return Evaluation(frame=frame, shown=shown, images=images)


def write_metrics(evaluation: Evaluation, folder: Path) -> None:
    """Write `metrics.json`, `per_image.csv` and `intervals.csv`."""
    frame = evaluation.frame
    write_table(folder / "per_image.csv", frame)
    write_table(folder / "intervals.csv", interval_table(frame))
    means = score_table.means_by_model(evaluation.means)
    write_text(folder / "metrics.json", to_json(means, indent=2) + "\n")
