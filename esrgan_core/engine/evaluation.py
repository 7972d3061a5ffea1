"""Upscale samples by a method and score the results."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np
from jaxtyping import UInt8

from esrgan_core.inference.upscale import upscale
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.metrics import Metric
from esrgan_core.metrics.errors import UnmeasurableError
from esrgan_core.models.build import Generator
from esrgan_core.tensors import to_tensor

Pixels = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """A pair of images and its set; equal only to itself."""

    name: str
    set: str
    lr: Pixels
    hr: Pixels


Method = Callable[[Sample], Pixels]
"""Upscales the LR of a sample. It gets the sample, since some networks need more than its LR."""


def network_method(network: Generator) -> Method:
    """The method that passes LR through a network in eval mode."""
    return lambda sample: upscale(network, np.asarray(sample.lr))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredImage:
    """An upscaled image and its metrics."""

    name: str
    set: str
    sr: Pixels
    values: Mapping[str, float]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Reasons of metrics that cannot measure the image; their values are NaN."""


def evaluate(
    method: Method, samples: Iterable[Sample], metrics: Mapping[str, Metric], scale: int
) -> Iterator[ScoredImage]:
    """Upscale each image and score it; see `score`.

    Raises:
        NotFiniteError: if a network's result is not finite; names the image.
    """
    for sample in samples:
        try:
            sr = method(sample)
        except NotFiniteError as error:
            raise NotFiniteError(f"{sample.name}: ") from error
        yield score(sample, sr, metrics, scale)


def score(
    sample: Sample,
    sr: Pixels,
    metrics: Mapping[str, Metric],
    scale: int,
    border: int | None = None,
) -> ScoredImage:
    """Measure `sr` against the sample's HR, cropped to a multiple of `scale`.

    Metrics ignore `border` pixels on each side; by default as many as `scale`.

    Raises:
        ValueError: if `sr` differs in size from HR, or a metric that can measure the image is
            not a number; names the image.
    """
    hr = crop_to_multiple(np.asarray(sample.hr), scale)
    if sr.shape != hr.shape:
        raise ValueError(
            f"{sample.name}: the result is {sr.shape[1]}x{sr.shape[0]} pixels, "
            f"HR {hr.shape[1]}x{hr.shape[0]}; do LR and HR belong together at x{scale}?"
        )
    images = to_tensor(sr), to_tensor(hr)
    values, unmeasured = dict.fromkeys(metrics, nan), {}
    for name, metric in metrics.items():
        try:
            values[name] = metric(*images, scale if border is None else border)
        except UnmeasurableError as error:
            unmeasured[name] = str(error)
            continue
        if isnan(values[name]):
            raise ValueError(f"{sample.name}: {name} is not a number")
    return ScoredImage(
        name=sample.name, set=sample.set, sr=sr, values=values, unmeasured=unmeasured
    )
