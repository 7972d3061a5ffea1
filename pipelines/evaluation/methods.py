"""The upscalers that are measured against each other, and their figures."""

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from esrgan_core.devices import device_of
from esrgan_core.engine.evaluation import Method, Sample, Scored, network_method, score
from esrgan_core.io.resize import resize_pixels
from esrgan_core.metrics import Metric
from esrgan_core.models import Generator
from esrgan_core.models.weights import load_generator, load_interpolated
from esrgan_core.tensors import NotFiniteError
from pipelines.config.artifacts import FINETUNED, PRETRAINED
from pipelines.runtime.device import requested_device
from pipelines.runtime.progress import progress


def bicubic(scale: int) -> Method:
    """MATLAB's bicubic enlargement."""
    return lambda sample: resize_pixels(np.asarray(sample.lr), scale)


def network_of(path: Path) -> tuple[Generator, Method]:
    """(the generator in a weights file, its method), ready to be measured."""
    network = _to_be_measured(load_generator(path))
    return network, network_method(network)


def _to_be_measured(network: Generator) -> Generator:
    """In eval mode on the device that `esrgan upscale` takes, in whole fp32.

    TF32 rounds factors to ten bits: a GPU's figures would not be the CPU's.
    """
    device = device_of(requested_device())
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return network.to(device).eval()


def interpolated(alpha: float) -> Method:
    """The method of the network `(1 - alpha) psnr + alpha gan` (ESRGAN section 3.4)."""
    return network_method(_to_be_measured(load_interpolated(PRETRAINED, FINETUNED, alpha)))


def compare(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    metrics: Mapping[str, Metric],
    scale: int,
    what: str,
    shown: Collection[str] = (),
) -> tuple[pd.DataFrame, dict[str, list[Scored]]]:
    """Every method's figures on every sample, and its images of those named in `shown`.

    A metric that cannot judge
    a result has no value for it, and why is said once for each image.

    Raises:
        NotFiniteError: if a method's result is not finite; names both.

    Returns:
        (one row per method and image: model, set, name, every metric; results by method).
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in methods}
    unmeasured: dict[tuple[str, str, str], str] = {}
    images: dict[str, list[Scored]] = {name: [] for name in methods}
    done = count(1)
    with progress(what, len(methods) * len(samples)) as advance:
        for sample in samples:
            for name, method in methods.items():
                try:
                    sr = method(sample)
                except NotFiniteError as error:
                    raise NotFiniteError(f"{name} on {sample.name}: ") from error
                scored = score(sample, sr, metrics, scale)
                row = {"model": name, "set": scored.set, "name": scored.name.rpartition("/")[2]}
                rows[name].append({**row, **scored.values})
                for metric, reason in scored.unmeasured.items():
                    unmeasured.setdefault((row["set"], row["name"], metric), f"{name}: {reason}")
                # all of a large set's results would not fit into memory
                images[name] += [scored] if scored.name in shown else []
                advance(next(done), f"{name}: {scored.name}")
    for (set_name, image, metric), reason in unmeasured.items():
        print(f"{set_name}/{image} is left out of {metric}: {reason}", file=sys.stderr)
    return pd.DataFrame([row for each in rows.values() for row in each]), images


def on_equal_terms(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of `compare` without the values that not every method has of a image.

    Their means are then over the same images.
    """
    numbers = [column for column in frame.columns if column not in ("model", "set", "name")]
    complete = frame[numbers].notna().groupby([frame["set"], frame["name"]]).transform("all")
    return frame.assign(**{name: frame[name].where(complete[name]) for name in numbers})


def set_means(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over a set's images, per method and set, in order of appearance."""
    numbers = [column for column in frame.columns if column not in ("model", "set", "name")]
    return frame.groupby(["model", "set"], sort=False)[numbers].mean().reset_index()


def nested(means: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Set means as `{model: {set: {metric: value}}}`, the form of `metrics.json`."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for row in means.to_dict("records"):
        model, set_name = str(row.pop("model")), str(row.pop("set"))
        # a metric that could not be had for all of a set's images is absent
        values = {
            str(metric): round(float(value), 6) for metric, value in row.items() if value == value
        }
        content.setdefault(model, {})[set_name] = values
    return content
