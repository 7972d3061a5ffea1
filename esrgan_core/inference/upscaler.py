"""Upscale images of all kinds; used by `esrgan upscale` and the served model."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from esrgan_core.devices import PrecisionChoice, has_native_bf16, resolve_device
from esrgan_core.inference.bf16 import try_bf16
from esrgan_core.inference.tiling import (
    MIN_TILE,
    choose_tile_side,
    is_exact,
    required_memory,
    upscale_tiled,
)
from esrgan_core.io.alpha import fill_transparent
from esrgan_core.io.decoded_image import KINDS, WHITE, DecodedImage, as_type
from esrgan_core.io.geometry import symmetry
from esrgan_core.io.levels import find_levels
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import imresize
from esrgan_core.memory import keep_freed_memory, release_freed_memory, use_default_allocator
from esrgan_core.models import Generator
from esrgan_core.tensors import NotFiniteError

KEPT_BELOW = 2**29
"""Bytes of an image below which freed memory is kept between layers: twice as fast, but it needs
half as much memory again."""
SYMMETRIES = 8

Canvas = Shaped[np.ndarray, "_ _ _"]
Images = Float[Tensor, "1 3 h w"]
Values = Float[np.ndarray, "_ _ 3"]
OnPart = Callable[[int, int], None]
"""Called with the number of finished parts, and of all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleConfig:
    """How images are upscaled."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`; `auto`: a GPU if there is one."""
    precision: PrecisionChoice = "auto"
    """`auto`: bf16 if the hardware has it and a test of the network finds it accurate."""
    tile: int | None = None
    """LR pixels a side; 0 for one tile; None to choose by the free memory."""
    ensemble: bool = False
    """Mean over the eight symmetries of the square (self-ensemble), at eight times the cost."""
    scale: float | None = None
    """Of the result; the network's output is resized bicubically to it."""

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile and self.tile < MIN_TILE:
            raise ValueError(f"tiles must be at least {MIN_TILE} pixels, got {self.tile}")
        if self.scale is not None and not 0 < self.scale <= 16:
            raise ValueError(f"scale must be in (0, 16], got {self.scale:g}")


class Upscaler:
    """A copy of a network on a device; call it with images."""

    def __init__(
        self,
        network: Generator,
        config: UpscaleConfig,
        *,
        free_memory: Callable[[], int],
        log: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Copy `network`, which is in eval mode, to its device.

        `free_memory` returns the free bytes of a CPU; `log` gets messages for the user.

        Raises:
            ValueError: if the device cannot be used.
        """
        self.config, self.free_memory, self.log = config, free_memory, log
        self.device = resolve_device(config.device)
        copy: Generator = deepcopy(network).to(self.device)
        self.full = copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network_scale: int = network.config.scale
        self.scale = float(config.scale or network.config.scale)
        self.half: Generator | None = None
        wanted = config.precision == "auto" and has_native_bf16(self.device)
        self.may_try_bf16 = wanted or config.precision == "bf16"

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
        if self.device.type == "cpu":
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
        lr = torch.from_numpy(rgb.astype(np.float32)).div_(divisor).permute(2, 0, 1)[None]
        if not exact and self.may_try_bf16:
            self.may_try_bf16 = False
            self.half, message = try_bf16(self.full, lr)
            self.log(message)
        network = self.full if exact or self.half is None else self.half
        if not self.config.ensemble and self.scale == self.network_scale:
            self._upscale_in_memory(network, lr, result, on_part)
            return
        shape = (rgb.shape[0] * self.network_scale, rgb.shape[1] * self.network_scale, 3)
        values = np.empty(shape, dtype=np.float32)
        self._upscale_in_memory(network, lr, values, on_part)
        if self.scale != self.network_scale:
            size = result.shape[:2]
            values = imresize(values, size=(size[0], size[1])).astype(np.float32)
        result[...] = _quantize(values, result)

    def _upscale_in_memory(
        self, network: Generator, lr: Images, values: Canvas, on_part: OnPart
    ) -> None:
        """Fill `values` with tiles as large as the memory allows."""
        height, width = lr.shape[-2:]
        if self.device.type == "cpu":
            small = required_memory(network, height, width) < KEPT_BELOW
            _ = keep_freed_memory() if small else use_default_allocator()
        side = self.config.tile
        if side is None:
            side = choose_tile_side(network, height, width, self._free_memory())
        while True:
            if side:
                exact = "exact" if is_exact(network, side) else "nearly exact; measuring seams"
                self.log(f"{width}x{height} pixels in tiles of {side} ({exact})")
            try:
                difference = self._upscale_symmetries(network, lr, values, side, on_part)
                break
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
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
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        if side and not is_exact(network, side):
            self.log(f"tiles differ by at most {difference * 255:.2f} of 255 at their seams")

    def _upscale_symmetries(
        self, network: Generator, lr: Images, values: Canvas, side: int, on_part: OnPart
    ) -> float:
        """Fill `values` with the result, or the ensemble's mean; return the tiles' difference."""
        count = SYMMETRIES if self.config.ensemble else 1
        if count > 1:
            values[...] = 0
        difference = 0.0
        for which in range(count):
            # a copy: a mirrored side of one pixel counts as contiguous, with a negative stride
            turned = symmetry(lr[0].permute(1, 2, 0).numpy(), which).copy()
            images = torch.from_numpy(turned).permute(2, 0, 1)[None]
            target = symmetry(values, which)

            def write(top: int, left: int, sr: Tensor, target: Canvas = target) -> None:
                block = sr[0].permute(1, 2, 0).cpu().numpy()
                if not np.isfinite(block).all():
                    raise NotFiniteError
                rows, columns = slice(top, top + block.shape[0]), slice(left, left + block.shape[1])
                if count > 1:
                    target[rows, columns] += block / count
                else:
                    target[rows, columns] = _quantize(block, values)

            def part_done(done: int, total: int, which: int = which) -> None:
                on_part(which * total + done, count * total)

            seams = upscale_tiled(network, images, write, side=side, on_tile=part_done)
            difference = max(difference, seams)
        return difference

    def _free_memory(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.mem_get_info(self.device)[0] * 0.9)
        return self.free_memory()


def _quantize(block: Values, like: Canvas) -> Canvas:
    """Convert values in [0, 1] to the type and the channels of `like`."""
    if like.shape[2] == 1:
        block = luma(block)[..., None]
    return as_type(block, like.dtype)


def _invert(values: Canvas) -> Canvas:
    top = WHITE[values.dtype]
    return (np.asarray(top, dtype=values.dtype) - values).astype(values.dtype)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(
        error
    )
