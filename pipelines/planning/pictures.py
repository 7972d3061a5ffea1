"""What a batch of pictures will take."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from esrgan_core.image import BadImageError
from esrgan_core.inference.parts import WHOLE, bytes_for, side_for
from esrgan_core.inference.upscaler import KEPT_BELOW, UpscaleConfig, Upscaler
from esrgan_core.memory import free_memory
from esrgan_core.pictures.fitting import fit_to
from esrgan_core.pictures.picture import Picture
from esrgan_core.pictures.reading import picture_size, read_picture
from esrgan_core.pictures.writing import encode
from pipelines.planning.plan import Plan
from pipelines.upscaling.jobs import Job, Output
from pipelines.upscaling.model import Model

TRIED = (1.0, 0.0, 0.5, 0.83, 0.17, 0.67, 0.33)
"""Which pictures of a batch are tried, by their places in the order of sizes ..."""
ENOUGH = 30.0
"""... until so many seconds are over and the largest and the smallest were."""
PATIENCE = 15.0
"""Seconds that a picture may take to be tried whole; of others a piece is."""
LEAST_SIDE = 320
"""Of a piece, at least."""


def plan_upscaling(
    model: Model, config: UpscaleConfig, jobs: Sequence[Job], output: Output, began: float
) -> Plan:
    """Try some of the pictures, and tell from them what all will take.

    Args:
        model: the network.
        config: how it computes.
        jobs: the pictures.
        output: how results would be written.
        began: when this process did, in seconds since the epoch; another one begins as slowly.

    Raises:
        ValueError: if none can be read.
    """
    sizes: dict[Job, int] = {}
    bad = 0
    for job in jobs:
        try:
            height, width = picture_size(job.source)
            sizes[job] = height * width
        except (BadImageError, OSError):
            bad += 1
    if not sizes:
        raise ValueError("none of the pictures can be read")
    upscaler = Upscaler(model.network, config, free_memory=free_memory)
    ordered = sorted(sizes, key=sizes.__getitem__)
    chosen = [ordered[round(share * (len(ordered) - 1))] for share in TRIED]
    to_begin = time.time() - began
    tries = list(_tries(upscaler, list(dict.fromkeys(chosen)), output))
    if not tries:
        raise ValueError("none of the pictures that were tried can be upscaled")
    areas = np.array([one.pixels for one in tries])
    known = np.unique(areas)
    paces = np.array([one.seconds / one.pixels for one in tries])
    pace = [np.median(paces[areas == area]) for area in known]
    total = sum(sizes.values())
    sources = sum(job.source.stat().st_size for job in sizes)
    seconds = sum(float(np.interp(size, known, pace)) * size for size in sizes.values())
    largest = ordered[-1]
    height, width = picture_size(largest.source)
    memory = _memory(upscaler, height, width)
    remarks = [f"{len(sizes)} pictures, {total / 1e6:.1f} megapixels, {len(tries)} of them tried"]
    if bad:
        remarks.append(f"{bad} cannot be read and are left out")
    side = side_for(upscaler.full, height, width, free_memory())
    if side != WHOLE and config.tile is None:
        remarks.append(f"the largest goes in tiles of {side} pixels")
    return Plan(
        what=f"{model.words}: {len(sizes)} to upscale x{upscaler.scale:g}",
        seconds=to_begin + seconds,
        # what compresses well compresses well at any size
        disk=round(sources * sum(one.bytes for one in tries) / sum(one.source for one in tries)),
        memory=memory,
        remarks=tuple(remarks),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Try:
    pixels: int
    """LR pixels that were upscaled."""
    seconds: float
    bytes: int
    """Of the file that would be written of the whole picture."""
    source: int
    """Bytes of the picture's own file."""


def _tries(upscaler: Upscaler, jobs: Sequence[Job], output: Output) -> Iterator[_Try]:
    ends = time.monotonic() + ENOUGH
    pace = 0.0
    for number, job in enumerate(jobs):
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
    height, width = picture_size(job.source)
    if height * width * pace <= PATIENCE:
        return max(height, width)
    side = LEAST_SIDE
    if bytes_for(upscaler.full, height, width) >= KEPT_BELOW:
        while bytes_for(upscaler.full, side, side) < KEPT_BELOW:
            side += 32
    return side


def _tried(upscaler: Upscaler, job: Job, output: Output, side: int) -> _Try:
    """Upscale a picture, or its middle if it is large."""
    began = time.perf_counter()
    picture = read_picture(job.source)
    reading = time.perf_counter() - began
    format_ = output.format_for(job.target.name)

    def written(one: Picture) -> int:
        return len(encode(fit_to(one, format_), format_, output.quality))

    middle = _middle(picture, side)
    began = time.perf_counter()
    bytes_ = written(upscaler(middle))
    seconds = time.perf_counter() - began
    whole, pixels = (one.pixels.shape[0] * one.pixels.shape[1] for one in (picture, middle))
    if pixels < whole:
        # the middle shows more than the rest of a picture
        bytes_ = round(bytes_ * written(picture) / written(middle))
    return _Try(
        pixels=pixels,
        seconds=seconds + reading * pixels / whole,
        bytes=bytes_,
        source=job.source.stat().st_size,
    )


def _middle(picture: Picture, side: int) -> Picture:
    height, width = picture.pixels.shape[:2]
    # a narrow picture's piece is the longer
    tall = min(height, max(side, side * side // width))
    wide = min(width, max(side, side * side // height))
    rows = slice((height - tall) // 2, (height + tall) // 2)
    columns = slice((width - wide) // 2, (width + wide) // 2)
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    return replace(picture, pixels=picture.pixels[rows, columns], alpha=alpha)


def _memory(upscaler: Upscaler, height: int, width: int) -> int:
    free = free_memory()
    needed = min(bytes_for(upscaler.full, height, width), free)
    rows, columns = upscaler.size_of(height, width)
    return needed + 3 * rows * columns
