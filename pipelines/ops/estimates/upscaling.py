"""What a batch of images will take."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from esrgan_core.inference.tiling import WHOLE_IMAGE, choose_tile_side, required_memory
from esrgan_core.inference.upscaler import KEPT_BELOW, UpscaleConfig, Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.writing import encode
from esrgan_core.memory import free_memory
from pipelines.ops.estimates.estimate import Plan
from pipelines.upscaling.jobs import Job, Output
from pipelines.upscaling.model import Model

TRIED = (1.0, 0.0, 0.5, 0.83, 0.17, 0.67, 0.33)
"""Which images of a batch are tried, by their places in the order of sizes ..."""
ENOUGH = 30.0
"""... until so many seconds are over and the largest and the smallest were."""
PATIENCE = 15.0
"""Seconds that a image may take to be tried whole; of others a piece is."""
LEAST_SIDE = 320
"""Of a piece, at least."""


def plan_upscaling(
    model: Model, config: UpscaleConfig, jobs: Sequence[Job], output: Output, began: float
) -> Plan:
    """Try some of the images, and tell from them what all will take.

    Args:
        model: the network.
        config: how it computes.
        jobs: the images.
        output: how results would be written.
        began: when this process did, in seconds since the epoch; another one begins as slowly.

    Raises:
        ValueError: if none can be read.
    """
    sizes = _sizes(jobs)
    if not sizes:
        raise ValueError("none of the images can be read")
    upscaler = Upscaler(model.network, config, free_memory=free_memory)
    to_begin = time.time() - began
    tries = list(_tries(upscaler, list(sizes), output))
    if not tries:
        raise ValueError("none of the images that were tried can be upscaled")
    pixels = sum(sizes.values()) / 1e6
    remarks = [f"{len(sizes)} images, {pixels:.1f} megapixels, {len(tries)} of them tried"]
    if bad := len(jobs) - len(sizes):
        remarks.append(f"{bad} cannot be read and are left out")
    height, width = image_size(list(sizes)[-1].source)
    side = choose_tile_side(upscaler.full, height, width, free_memory())
    if side != WHOLE_IMAGE and config.tile is None:
        remarks.append(f"the largest goes in tiles of {side} pixels")
    return Plan(
        what=f"{model.description}: {len(sizes)} to upscale x{upscaler.scale:g}",
        seconds=to_begin + _seconds(tries, sizes.values()),
        disk=_disk(tries, sizes),
        memory=_memory(upscaler, height, width),
        remarks=tuple(remarks),
    )


def _sizes(jobs: Iterable[Job]) -> dict[Job, int]:
    """Pixels of those images that can be read, the smallest first."""
    sizes: dict[Job, int] = {}
    for job in jobs:
        with suppress(BadImageError, OSError):
            height, width = image_size(job.source)
            sizes[job] = height * width
    return dict(sorted(sizes.items(), key=itemgetter(1)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Try:
    pixels: int
    """LR pixels that were upscaled."""
    seconds: float
    bytes: int
    """Of the file that would be written of the whole image."""
    source: int
    """Bytes of the image's own file."""


def _tries(upscaler: Upscaler, ordered: Sequence[Job], output: Output) -> Iterator[_Try]:
    chosen = dict.fromkeys(ordered[round(share * (len(ordered) - 1))] for share in TRIED)
    ends = time.monotonic() + ENOUGH
    pace = 0.0
    for number, job in enumerate(chosen):
        if number > 1 and time.monotonic() > ends:
            return
        try:
            if not pace:
                # the first is slower than the rest
                first = _tried(upscaler, job, output, LEAST_SIDE)
                pace = first.seconds / first.pixels
            yield _tried(upscaler, job, output, _side(upscaler, job, pace))
        except (BadImageError, OSError):
            continue


def _side(upscaler: Upscaler, job: Job, pace: float) -> int:
    """Of the whole, or of a piece that goes through the network in the same manner."""
    height, width = image_size(job.source)
    if height * width * pace <= PATIENCE:
        return max(height, width)
    side = LEAST_SIDE
    if required_memory(upscaler.full, height, width) >= KEPT_BELOW:
        while required_memory(upscaler.full, side, side) < KEPT_BELOW:
            side += 32
    return side


def _tried(upscaler: Upscaler, job: Job, output: Output, side: int) -> _Try:
    """Upscale a image, or its middle if it is large."""
    began = time.perf_counter()
    image = read_image(job.source)
    reading = time.perf_counter() - began
    format_ = output.format_for(job.target.name)

    def written(one: DecodedImage) -> int:
        return len(encode(convert_to(one, format_), format_, output.quality))

    middle = _middle(image, side)
    began = time.perf_counter()
    bytes_ = written(upscaler(middle))
    seconds = time.perf_counter() - began
    whole, pixels = (one.pixels.shape[0] * one.pixels.shape[1] for one in (image, middle))
    if pixels < whole:
        # the middle shows more than the rest of a image
        bytes_ = round(bytes_ * written(image) / written(middle))
    return _Try(
        pixels=pixels,
        seconds=seconds + reading * pixels / whole,
        bytes=bytes_,
        source=job.source.stat().st_size,
    )


def _middle(image: DecodedImage, side: int) -> DecodedImage:
    height, width = image.pixels.shape[:2]
    # a narrow image's piece is the longer
    tall = min(height, max(side, side * side // width))
    wide = min(width, max(side, side * side // height))
    rows = slice((height - tall) // 2, (height + tall) // 2)
    columns = slice((width - wide) // 2, (width + wide) // 2)
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return replace(image, pixels=image.pixels[rows, columns], alpha=alpha)


def _seconds(tries: Sequence[_Try], sizes: Iterable[int]) -> float:
    """At the pace of those images that are next in size."""
    areas = np.array([one.pixels for one in tries])
    paces = np.array([one.seconds / one.pixels for one in tries])
    known = np.unique(areas)
    pace = [np.median(paces[areas == area]) for area in known]
    return sum(float(np.interp(size, known, pace)) * size for size in sizes)


def _disk(tries: Sequence[_Try], jobs: Iterable[Job]) -> int:
    """What compresses well compresses well at any size."""
    grown = sum(one.bytes for one in tries) / sum(one.source for one in tries)
    return round(grown * sum(job.source.stat().st_size for job in jobs))


def _memory(upscaler: Upscaler, height: int, width: int) -> int:
    free = free_memory()
    needed = min(required_memory(upscaler.full, height, width), free)
    rows, columns = upscaler.output_size(height, width)
    return needed + 3 * rows * columns
