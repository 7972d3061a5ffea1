"""Measure bicubic and the networks on every test set, and draw the picture page."""

import json
from dataclasses import dataclass
from functools import partial

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluate import Upscaler
from esrgan_core.files import atomic_path, write_text
from esrgan_core.inference.upscale import upscale
from esrgan_core.metrics import metrics_by_name
from pipelines.contenders import (
    bicubic,
    compare,
    interpolated,
    nested,
    network_of,
    per_image,
    set_means,
)
from pipelines.launch import launch
from pipelines.paths import FINETUNED, METRICS, PAGE, PAIRS, PRETRAINED
from pipelines.pretrained_features import fetched
from pipelines.report.figures import models_sheet
from pipelines.report.page import write_page
from pipelines.samples import samples_of
from pipelines.sections import EvaluateConfig, InterpolateConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave `metrics.json`, `per_image.csv`, `report/index.html` and `report/models.png`."""
    samples = samples_of(PairStore(PAIRS), "test")
    contenders: dict[str, Upscaler] = {
        "bicubic": bicubic(params.scale),
        "pretrained": network_of(PRETRAINED)[1],
        "interpolated": partial(upscale, interpolated(params.interpolate.alpha)),
        "finetuned": network_of(FINETUNED)[1],
    }
    metrics = metrics_by_name(params.evaluate.metrics, fetched)
    results = compare(contenders, samples, metrics, params.scale, "evaluate")
    frame = per_image(results)
    with atomic_path(METRICS.parent / "per_image.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6f")
    means = set_means(frame)
    write_text(METRICS, json.dumps(nested(means), indent=2) + "\n")
    write_page(PAGE, samples, results, means, params.interpolate.alpha)
    models_sheet(samples, results, PAGE.parent / "models.png")
    print(means.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"page: {PAGE.resolve()}")


if __name__ == "__main__":
    launch("evaluate", Params, run)
