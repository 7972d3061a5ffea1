"""The upscalers that are measured against each other, and their figures."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.engine.evaluate import Sample, Scored, Upscaler, evaluate
from esrgan_core.inference.upscale import upscale
from esrgan_core.metrics import Metric
from esrgan_core.models import build_generator
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import interpolate, load_generator, load_state
from esrgan_core.resize import resize_pixels
from pipelines.paths import FINETUNED, PRETRAINED
from pipelines.progress import progress


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic enlargement."""
    return partial(resize_pixels, factor=scale)


def network_of(path: Path) -> tuple[RRDBNet, Upscaler]:
    """(the generator in a weights file, what it does to a picture)."""
    network = load_generator(path)
    return network, partial(upscale, network)


def interpolated(alpha: float, psnr: Path = PRETRAINED, gan: Path = FINETUNED) -> RRDBNet:
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
) -> dict[str, list[Scored]]:
    """Every contender's result on every sample."""
    results: dict[str, list[Scored]] = {}
    with progress(what, len(contenders) * len(samples)) as advance:
        for name, upscaler in contenders.items():
            results[name] = []
            for scored in evaluate(upscaler, samples, metrics, scale):
                results[name].append(scored)
                advance(sum(map(len, results.values())), f"{name}: {scored.name}")
    return results


def per_image(results: Mapping[str, Sequence[Scored]], key: str = "model") -> pd.DataFrame:
    """One row per contender and picture: its name, the set, the picture, every metric."""
    rows: list[dict[str, Any]] = [
        {key: name, "set": scored.set, "name": scored.name.rpartition("/")[2], **scored.values}
        for name, pictures in results.items()
        for scored in pictures
    ]
    return pd.DataFrame(rows)


def set_means(frame: pd.DataFrame, key: str = "model") -> pd.DataFrame:
    """The mean over a set's pictures, per contender and set, in order of appearance."""
    numbers = [column for column in frame.columns if column not in (key, "set", "name")]
    return frame.groupby([key, "set"], sort=False)[numbers].mean().reset_index()


def nested(means: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Set means as `{model: {set: {metric: value}}}`, the form of `metrics.json`."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for row in means.to_dict("records"):
        model, set_name = str(row.pop("model")), str(row.pop("set"))
        values = {str(metric): round(float(value), 6) for metric, value in row.items()}
        content.setdefault(model, {})[set_name] = values
    return content
