"""Upscale images of all kinds; used by `esrgan upscale` and the served model."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Shaped

from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.ncnn_engine import EngineError, NcnnEngine
from esrgan_core.inference.engines.selection import build_engines, resolve_engine
from esrgan_core.inference.half_precision import check_half
from esrgan_core.inference.tiling import (
    MIN_TILE,
    choose_tile_side,
    is_exact,
    required_memory,
    upscale_tiled,
)
from esrgan_core.io.alpha import fill_transparent
from esrgan_core.io.decoded_image import KINDS, WHITE, DecodedImage, as_type
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.geometry import symmetry
from esrgan_core.io.levels import find_levels
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import imresize
from esrgan_core.memory import keep_freed_memory, release_freed_memory, use_default_allocator
from esrgan_core.models.network_state import NetworkState

KEPT_BELOW = 2**29
"""Bytes of an image below which freed memory is kept between layers: twice as fast, but it needs
half as much memory again."""
HELD_BELOW = 2**28
"""Bytes of an image below which freed memory is also kept for the next image: small images then
take a tenth less time."""
SYMMETRIES = 8
SHARE = 0.5
"""Of the free memory that ncnn may use on the CPU, where it does not report a lack of memory."""

Canvas = Shaped[np.ndarray, "_ _ _"]
Values = Float[np.ndarray, "_ _ 3"]
OnPart = Callable[[int, int], None]
"""Called with the number of finished parts, and of all."""


class Upscaler:
    """A network on a device; call it with images."""

    def __init__(
        self,
        network: NetworkState,
        config: UpscaleConfig,
        *,
        free_memory: Callable[[], int],
        threads: int | None = None,
        log: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Load `network` on its device.

        `free_memory` returns the free bytes of a CPU; `threads` limits its threads; `log` gets
        messages for the user.

        Raises:
            ValueError: if the device cannot be used, or the engine with this network and device.
            ModuleNotFoundError: if the engine is not installed.
        """
        self.config, self.free_memory, self.log = config, free_memory, log
        device, precision = config.device, config.precision
        engine = resolve_engine(config.engine, network, device=device, precision=precision)
        self.engines = build_engines(
            network, device=device, precision=precision, engine=engine, threads=threads
        )
        self.network_scale = network.config.scale
        self.scale = float(config.scale or self.network_scale)
        self.half: Engine | None = None

    def engine_for(self, height: int, width: int) -> Engine:
        """The engine in full precision for an image; torch if ncnn needs too much memory."""
        full = self.engines.full
        if not isinstance(full, NcnnEngine) or full.free_memory() is not None:
            return full
        if self.config.tile:
            height, width = min(height, self.config.tile), min(width, self.config.tile)
        fits = required_memory(full, height, width) <= self.free_memory() * SHARE
        return full if fits else self.engines.fallback()

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the result."""
        # 0.1 * 30 is slightly more than 3
        rows, columns = (math.ceil(round(side * self.scale, 6)) for side in (height, width))
        return rows, columns

    def __call__(
        self,
        image: DecodedImage,
        *,
        canvas: Callable[[tuple[int, int, int], np.dtype], Canvas] = np.empty,
        on_part: OnPart = lambda done, total: None,
    ) -> DecodedImage:
        """Upscale an image in its own mode and depth.

        The network gets gray in all three channels, CMYK as the inverse of its first three inks and
        then its black as gray. Alpha is resized bicubically; hidden colors do not affect visible
        ones. Float values beyond [0, 1] are kept: the network gets them scaled.

        `canvas` creates the array of the result by shape and type, with color and alpha as
        channels; it may be memory-mapped.

        Raises:
            NotFiniteError: if the result is not finite.
            MemoryError: if even tiles do not fit.
        """
        pixels, alpha = image.pixels, image.alpha
        height, width, channels = pixels.shape
        shape = (*self.output_size(height, width), channels + (alpha is not None))
        whole = canvas(shape, pixels.dtype)
        color = whole[..., :channels]
        if alpha is not None:
            pixels = fill_transparent(pixels, alpha)
            opacity = as_type(alpha, np.float32)[..., None]
            enlarged = imresize(opacity, size=self.output_size(height, width))[..., 0]
            whole[..., channels] = as_type(enlarged.clip(0, 1), pixels.dtype)
        levels = find_levels(pixels)
        self._upscale_channels(levels.normalize(pixels), color, on_part)
        levels.restore(color)
        if required_memory(self.engine_for(height, width), height, width) >= HELD_BELOW:
            release_freed_memory()
        return replace(
            image,
            pixels=color,
            alpha=None if alpha is None else whole[..., channels],
            changes=(*image.changes, *levels.describe(pixels)),
        )

    def _upscale_channels(self, pixels: Canvas, color: Canvas, on_part: OnPart) -> None:
        """Upscale gray, RGB or CMYK into `color`."""
        # bf16 has less than 16 bits
        exact = pixels.dtype != np.uint8
        match KINDS[pixels.shape[2]]:
            case "rgb":
                self._upscale_color(pixels, color, exact, on_part)
            case "gray":
                self._upscale_color(pixels.repeat(3, axis=2), color, exact, on_part)
            case "cmyk":
                inks, black = color[..., :3], color[..., 3:]
                self._upscale_color(_invert(pixels[..., :3]), inks, exact, on_part)
                inks[...] = _invert(inks)
                self._upscale_color(pixels[..., 3:].repeat(3, axis=2), black, exact, on_part)

    def _upscale_color(self, rgb: Canvas, result: Canvas, exact: bool, on_part: OnPart) -> None:
        """Upscale RGB into `result`, which has three channels, or one for its luma."""
        divisor = WHITE[rgb.dtype]
        lr = (rgb.astype(np.float32) / np.float32(divisor)).transpose(2, 0, 1)
        if not exact and self.engines.half is not None:
            self._try_half(self.engines.half(), lr)
        engine = self.half
        if exact or engine is None:
            engine = self.engine_for(*lr.shape[1:])
            if engine is not (full := self.engines.full):
                needed = required_memory(full, *lr.shape[1:]) / 2**30
                self.log(
                    f"{full.name} needs {needed:.1f} GiB for {lr.shape[2]}x{lr.shape[1]} pixels, "
                    f"more than half of the free memory; using {engine.name}"
                )
        if not self.config.ensemble and self.scale == self.network_scale:
            self._upscale_in_memory(engine, lr, result, on_part)
            return
        shape = (rgb.shape[0] * self.network_scale, rgb.shape[1] * self.network_scale, 3)
        values = np.empty(shape, dtype=np.float32)
        self._upscale_in_memory(engine, lr, values, on_part)
        if self.scale != self.network_scale:
            size = result.shape[:2]
            values = imresize(values, size=(size[0], size[1])).astype(np.float32)
        result[...] = _quantize(values, result)

    def _try_half(self, half: Engine, lr: Pixels) -> None:
        """Use half precision if it is accurate on the first image."""
        self.engines.half = None
        accurate, message = check_half(self.engines.full, half, self.engines.half_name, lr)
        self.half = half if accurate else None
        self.log(message)

    def _upscale_in_memory(
        self, engine: Engine, lr: Pixels, values: Canvas, on_part: OnPart
    ) -> None:
        """Fill `values` with tiles as large as the memory allows."""
        height, width = lr.shape[-2:]
        if engine.free_memory() is None:
            small = required_memory(engine, height, width) < KEPT_BELOW
            _ = keep_freed_memory() if small else use_default_allocator()
        side = self.config.tile
        if side is None:
            side = choose_tile_side(engine, height, width, self._free_memory(engine))
        while True:
            if side:
                exact = "exact" if is_exact(engine, side) else "nearly exact; measuring seams"
                self.log(f"{width}x{height} pixels in tiles of {side} ({exact})")
            try:
                difference = self._upscale_symmetries(engine, lr, values, side, on_part)
                break
            except EngineError as error:
                self.log(f"{engine.name} failed: {error}; using torch")
                engine = self.engines.full = self.engines.fallback()
                self.half = None
                continue
            except MemoryError as error:
                if self.config.tile is not None:
                    raise MemoryError(
                        f"a tile of {self.config.tile or 'the whole image'} does not fit into "
                        "memory; use smaller tiles, or --tile auto"
                    ) from error
            smaller = (side or max(height, width)) // 2
            if smaller < MIN_TILE:
                raise MemoryError("the smallest tile does not fit into memory")
            self.log(f"out of memory; trying tiles of {smaller} pixels")
            side = smaller
            engine.release_memory()
        if side and not is_exact(engine, side):
            self.log(f"tiles differ by at most {difference * 255:.2f} of 255 at their seams")

    def _upscale_symmetries(
        self, engine: Engine, lr: Pixels, values: Canvas, side: int, on_part: OnPart
    ) -> float:
        """Fill `values` with the result, or the ensemble's mean; return the tiles' difference."""
        count = SYMMETRIES if self.config.ensemble else 1
        if count > 1:
            values[...] = 0
        difference = 0.0
        for which in range(count):
            # a copy: a mirrored side of one pixel counts as contiguous, with a negative stride
            images = symmetry(lr.transpose(1, 2, 0), which).copy().transpose(2, 0, 1)
            target = symmetry(values, which)

            def write(top: int, left: int, sr: Pixels, target: Canvas = target) -> None:
                block = sr.transpose(1, 2, 0)
                if not np.isfinite(block).all():
                    raise NotFiniteError
                rows, columns = slice(top, top + block.shape[0]), slice(left, left + block.shape[1])
                if count > 1:
                    target[rows, columns] += block / count
                else:
                    target[rows, columns] = _quantize(block, values)

            def part_done(done: int, total: int, which: int = which) -> None:
                on_part(which * total + done, count * total)

            seams = upscale_tiled(engine, images, write, side=side, on_tile=part_done)
            difference = max(difference, seams)
        return difference

    def _free_memory(self, engine: Engine) -> int:
        on_device = engine.free_memory()
        return self.free_memory() if on_device is None else on_device


def _quantize(block: Values, like: Canvas) -> Canvas:
    """Convert values in [0, 1] to the type and the channels of `like`."""
    if like.shape[2] == 1:
        block = luma(block)[..., None]
    return as_type(block, like.dtype)


def _invert(values: Canvas) -> Canvas:
    top = WHITE[values.dtype]
    return (np.asarray(top, dtype=values.dtype) - values).astype(values.dtype)
