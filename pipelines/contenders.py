"""The upscalers that are measured against each other, and their figures."""

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.engine.evaluate import Sample, Scored, Upscaler, evaluate
from esrgan_core.inference.upscale import upscale
from esrgan_core.io.resize import resize_pixels
from esrgan_core.metrics import Metric
from esrgan_core.models import Generator, build_generator
from esrgan_core.models.weights import interpolate, load_generator, load_state
from pipelines.paths import FINETUNED, PRETRAINED
from pipelines.progress import progress


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic enlargement."""
    return partial(resize_pixels, factor=scale)


def network_of(path: Path) -> tuple[Generator, Upscaler]:
    """(the generator in a weights file, what it does to a picture)."""
    network = load_generator(path)
    return network, partial(upscale, network)


def interpolated(alpha: float, psnr: Path = PRETRAINED, gan: Path = FINETUNED) -> Generator:
    """The network `(1 - alpha) psnr + alpha gan` in eval mode (ESRGAN section 3.4)."""
    first, second = load_generator(psnr), load_generator(gan)
    between = build_generator(first.config)
    load_state(between, interpolate(first.state_dict(), second.state_dict(), alpha), gan)
    return between.eval()


def compare(
    contenders: Mapping[str, Upscaler],
    samples: Sequence[Sample],
    metrics: Mapping[str, Metric],
    scale: int,
    what: str,
    shown: Collection[str] = (),
) -> tuple[pd.DataFrame, dict[str, list[Scored]]]:
    """Every contender's figures on every sample, and its pictures of those named in `shown`.

    A picture that a metric cannot judge in one contender's version is left out of that metric for
    all, so that their means are over the same pictures; this is said.

    Returns:
        (one row per contender and picture: model, set, name, every metric; results by contender).
    """
    rows: list[dict[str, Any]] = []
    unmeasured: dict[tuple[str, str, str], str] = {}
    pictures: dict[str, list[Scored]] = {name: [] for name in contenders}
    with progress(what, len(contenders) * len(samples)) as advance:
        for name, upscaler in contenders.items():
            for scored in evaluate(upscaler, samples, metrics, scale):
                row = {"model": name, "set": scored.set, "name": scored.name.rpartition("/")[2]}
                rows.append({**row, **scored.values})
                for metric, reason in scored.unmeasured.items():
                    unmeasured.setdefault((row["set"], row["name"], metric), f"{name}: {reason}")
                # all of a large set's results would not fit into memory
                pictures[name] += [scored] if scored.name in shown else []
                advance(len(rows), f"{name}: {scored.name}")
    frame = pd.DataFrame(rows)
    for (set_name, picture, metric), reason in unmeasured.items():
        print(f"{set_name}/{picture} is left out of {metric}: {reason}", file=sys.stderr)
        frame.loc[(frame["set"] == set_name) & (frame["name"] == picture), metric] = math.nan
    return frame, pictures


def set_means(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over a set's pictures, per contender and set, in order of appearance."""
    numbers = [column for column in frame.columns if column not in ("model", "set", "name")]
    return frame.groupby(["model", "set"], sort=False)[numbers].mean().reset_index()


def nested(means: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Set means as `{model: {set: {metric: value}}}`, the form of `metrics.json`."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for row in means.to_dict("records"):
        model, set_name = str(row.pop("model")), str(row.pop("set"))
        # a metric that could not be had for all of a set's pictures is absent
        values = {
            str(metric): round(float(value), 6) for metric, value in row.items() if value == value
        }
        content.setdefault(model, {})[set_name] = values
    return content
