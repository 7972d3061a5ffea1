"""What a batch of pictures will take."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from esrgan_core.image import BadImageError
from esrgan_core.inference.parts import WHOLE, bytes_for, side_for
from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.memory import free_memory
from esrgan_core.pictures.fitting import fit_to
from esrgan_core.pictures.picture import Picture
from esrgan_core.pictures.reading import picture_size, read_picture
from esrgan_core.pictures.writing import encode
from pipelines.planning.plan import Plan
from pipelines.upscaling.jobs import Job, Output
from pipelines.upscaling.model import Model

TRIED = 7
"""Pictures of a batch that are tried."""
MOST_SIDE = 320
"""Of a picture that is tried whole; of larger ones a piece of that size is."""


def plan_upscaling(
    model: Model, config: UpscaleConfig, jobs: Sequence[Job], output: Output
) -> Plan:
    """Try some of the pictures, and tell from them what all will take.

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
    chosen = [ordered[round(i)] for i in np.linspace(0, len(ordered) - 1, min(TRIED, len(sizes)))]
    paces, densities, areas = [], [], []
    _tried(upscaler, chosen[0], output)  # the first is slower than the rest
    for job in chosen:
        try:
            pixels, seconds, bytes_ = _tried(upscaler, job, output)
        except (BadImageError, OSError):
            continue
        areas.append(pixels)
        paces.append(seconds / pixels)
        densities.append(bytes_ / pixels)
    if not areas:
        raise ValueError("none of the pictures that were tried can be upscaled")
    order = np.argsort(areas)
    known, pace = np.array(areas)[order], np.array(paces)[order]
    total = sum(sizes.values())
    seconds = sum(float(np.interp(size, known, pace)) * size for size in sizes.values())
    largest = ordered[-1]
    height, width = picture_size(largest.source)
    memory = _memory(upscaler, height, width)
    remarks = [f"{len(sizes)} pictures, {total / 1e6:.1f} megapixels, {len(areas)} of them tried"]
    if bad:
        remarks.append(f"{bad} cannot be read and are left out")
    side = side_for(upscaler.full, height, width, free_memory())
    if side != WHOLE and config.tile is None:
        remarks.append(f"the largest goes in tiles of {side} pixels")
    return Plan(
        what=f"{model.words}: {len(sizes)} to upscale x{upscaler.scale:g}",
        seconds=seconds,
        disk=round(total * float(np.average(densities, weights=areas))),
        memory=memory,
        remarks=tuple(remarks),
    )


def _tried(upscaler: Upscaler, job: Job, output: Output) -> tuple[int, float, int]:
    """(pixels, seconds, bytes of the file) of a picture, or of its middle if it is large."""
    began = time.perf_counter()
    picture = read_picture(job.source)
    reading = time.perf_counter() - began
    whole = picture.pixels.shape[0] * picture.pixels.shape[1]
    middle = _middle(picture)
    pixels = middle.pixels.shape[0] * middle.pixels.shape[1]
    began = time.perf_counter()
    format_ = output.format_for(job.target.name)
    data = encode(fit_to(upscaler(middle), format_), format_, output.quality)
    seconds = time.perf_counter() - began
    return pixels, seconds + reading * pixels / whole, len(data)


def _middle(picture: Picture) -> Picture:
    height, width = picture.pixels.shape[:2]
    rows, columns = (
        slice(max(length - MOST_SIDE, 0) // 2, (length + min(length, MOST_SIDE)) // 2)
        for length in (height, width)
    )
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    return replace(picture, pixels=picture.pixels[rows, columns], alpha=alpha)


def _memory(upscaler: Upscaler, height: int, width: int) -> int:
    free = free_memory()
    needed = min(bytes_for(upscaler.full, height, width), free)
    rows, columns = upscaler.size_of(height, width)
    return needed + 3 * rows * columns
