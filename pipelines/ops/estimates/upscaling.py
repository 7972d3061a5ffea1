"""The estimate of a batch of images, from a trial of some of them."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.tiling import WHOLE_IMAGE, choose_tile_side, required_memory
from esrgan_core.inference.upscaler import KEPT_BELOW, Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.writing import encode
from esrgan_core.memory import free_memory
from pipelines.config.errors import UserError, as_user_error
from pipelines.ops.estimates import format_estimate
from pipelines.runtime.messages import warn
from pipelines.upscaling.engines import choose_engine
from pipelines.upscaling.jobs import Job, Output
from pipelines.upscaling.model import Model

TRIALS = (1.0, 0.0, 0.5, 0.83, 0.17, 0.67, 0.33)
"""Images to try, as fractions of the list sorted by size; the first two always."""
SECONDS = 30.0
"""After which no further image is tried."""
SECONDS_PER_IMAGE = 15.0
"""Of an image that would take longer, only the middle is tried."""
MIN_SIDE = 320
"""Pixels of that middle."""


class Trial(NamedTuple):
    """One image, or its middle, that was upscaled but not written."""

    pixels: int
    """LR pixels that were upscaled."""
    seconds: float
    bytes: int
    """Of the result of the whole image."""
    source_bytes: int
    """Of the file of the image."""


def estimate_upscaling(
    model: Model, config: UpscaleConfig, jobs: Sequence[Job], output: Output
) -> str:
    """Upscale some of the images without writing them; the estimate for all of them as text.

    Raises:
        UserError: if no image can be read or upscaled.
    """
    sizes = _sizes(jobs)
    if not sizes:
        raise UserError("none of the images can be read")
    config = choose_engine(config, model.network, warn)
    with as_user_error():
        upscaler = Upscaler(model.network, config, free_memory=free_memory)
    # another process starts as slowly as this one
    startup = time.time() - psutil.Process().create_time()
    trials = pd.DataFrame(_trials(upscaler, list(sizes), output))
    if trials.empty:
        raise UserError("none of the tried images can be upscaled")
    pixels = np.array(list(sizes.values()))
    megapixels = pixels.sum() / 1e6
    notes = [f"{len(sizes)} images, {megapixels:.1f} megapixels, {len(trials)} of them tried"]
    if bad := len(jobs) - len(sizes):
        notes.append(f"{bad} cannot be read and are not included")
    height, width = image_size(list(sizes)[-1].source)
    side = choose_tile_side(upscaler.engine_for(height, width), height, width, free_memory())
    if side != WHOLE_IMAGE and config.tile is None:
        notes.append(f"the largest is upscaled in tiles of {side} pixels")
    # of the trials that are next in size
    rates = (trials["seconds"] / trials["pixels"]).groupby(trials["pixels"]).median()
    growth = trials["bytes"].sum() / trials["source_bytes"].sum()
    needed = min(required_memory(upscaler.engine_for(height, width), height, width), free_memory())
    rows, columns = upscaler.output_size(height, width)
    return format_estimate(
        f"{model.description}: {len(sizes)} to upscale x{upscaler.scale:g}",
        seconds=startup + float(np.interp(pixels, rates.index, rates) @ pixels),
        disk=round(growth * sum(job.source.stat().st_size for job in sizes)),
        memory=needed + 3 * rows * columns,
        notes=notes,
    )


def _sizes(jobs: Iterable[Job]) -> Mapping[Job, int]:
    """Pixels of the images that can be read, the smallest first."""
    sizes: dict[Job, int] = {}
    for job in jobs:
        with suppress(Exception):
            height, width = image_size(job.source)
            sizes[job] = height * width
    return dict(sorted(sizes.items(), key=itemgetter(1)))


def _trials(upscaler: Upscaler, jobs: Sequence[Job], output: Output) -> Iterator[Trial]:
    chosen = dict.fromkeys(jobs[round(fraction * (len(jobs) - 1))] for fraction in TRIALS)
    end = time.monotonic() + SECONDS
    seconds_per_pixel = 0.0
    for number, job in enumerate(chosen):
        if number > 1 and time.monotonic() > end:
            return
        with suppress(Exception):
            if not seconds_per_pixel:
                # the first image is slower than the others, hence tried twice
                first = _try(upscaler, job, output, MIN_SIDE)
                seconds_per_pixel = first.seconds / first.pixels
            yield _try(upscaler, job, output, _trial_side(upscaler, job, seconds_per_pixel))


def _trial_side(upscaler: Upscaler, job: Job, seconds_per_pixel: float) -> int:
    """The side of the whole image, or of a middle that needs the same method of the upscaler."""
    height, width = image_size(job.source)
    if height * width * seconds_per_pixel <= SECONDS_PER_IMAGE:
        return max(height, width)
    side = MIN_SIDE
    engine = upscaler.engine_for(height, width)
    if required_memory(engine, height, width) >= KEPT_BELOW:
        while required_memory(engine, side, side) < KEPT_BELOW:
            side += 32
    return side


def _try(upscaler: Upscaler, job: Job, output: Output, side: int) -> Trial:
    """Upscale an image, or its middle if it is larger than `side`."""
    start = time.perf_counter()
    image = read_image(job.source)
    reading = time.perf_counter() - start
    format_ = output.format_for(job.target.name)

    def encoded_bytes(image: DecodedImage) -> int:
        return len(encode(convert_to(image, format_), format_, output.quality))

    middle = _crop_middle(image, side)
    start = time.perf_counter()
    bytes_ = encoded_bytes(upscaler(middle))
    seconds = time.perf_counter() - start
    whole, pixels = (one.pixels.shape[0] * one.pixels.shape[1] for one in (image, middle))
    if pixels < whole:
        # the middle has more detail than the rest
        bytes_ = round(bytes_ * encoded_bytes(image) / encoded_bytes(middle))
    seconds += reading * pixels / whole
    return Trial(pixels, seconds, bytes_, job.source.stat().st_size)


def _crop_middle(image: DecodedImage, side: int) -> DecodedImage:
    """A crop of about `side` x `side` pixels, longer where the image is narrower."""
    height, width = image.pixels.shape[:2]
    tall = min(height, max(side, side * side // width))
    wide = min(width, max(side, side * side // height))
    rows = slice((height - tall) // 2, (height + tall) // 2)
    columns = slice((width - wide) // 2, (width + wide) // 2)
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return replace(image, pixels=image.pixels[rows, columns], alpha=alpha)
