"""Images of every kind through one network: what `esrgan upscale` and the served model run."""

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
    SMALLEST_TILE,
    choose_tile_side,
    is_exact,
    required_memory,
    upscale_tiled,
)
from esrgan_core.io.alpha import fill_transparent
from esrgan_core.io.decoded_image import WHITE, DecodedImage, as_type
from esrgan_core.io.geometry import symmetry
from esrgan_core.io.luma import luma
from esrgan_core.io.resize import imresize
from esrgan_core.memory import keep_freed_memory, release_freed_memory, use_default_allocator
from esrgan_core.models import Generator
from esrgan_core.tensors import NotFiniteError

KEPT_BELOW = 2**29
"""Bytes that an image needs, below which freed memory is kept from layer to layer: twice as fast,
but half as much again is needed."""
SYMMETRIES = 8

Canvas = Shaped[np.ndarray, "_ _ _"]
Values = Float[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleConfig:
    """How images are upscaled."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`; `auto` takes a GPU where there is one."""
    precision: PrecisionChoice = "auto"
    """`auto` takes bf16 where the hardware computes in it and a probe finds nothing wrong."""
    tile: int | None = None
    """LR pixels a side; 0 for none; None to choose by the memory that is free."""
    ensemble: bool = False
    """The mean over the eight symmetries of the square (self-ensemble), eight times the work."""
    scale: float | None = None
    """Of the result; the network's own is resized bicubically where it differs."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.tile is not None and self.tile and self.tile < SMALLEST_TILE:
            raise ValueError(f"tiles must be at least {SMALLEST_TILE} pixels, got {self.tile}")
        if self.scale is not None and not 0 < self.scale <= 16:
            raise ValueError(f"scale must lie in (0, 16], got {self.scale:g}")


class Upscaler:
    """A network made ready for a device; call it with images."""

    def __init__(
        self,
        network: Generator,
        config: UpscaleConfig,
        *,
        free_memory: Callable[[], int],
        say: Callable[[str], None] = lambda words: None,
    ) -> None:
        """Move a copy of `network` to where it computes.

        Args:
            network: in eval mode.
            config: how to compute.
            free_memory: bytes that are free on a CPU now; a GPU says so itself.
            say: takes what a person should know, once.

        Raises:
            ValueError: if the device cannot be used.
        """
        self.config, self.free_memory, self.say = config, free_memory, say
        self.device = resolve_device(config.device)
        kept: Generator = deepcopy(network).to(self.device)
        self.full = kept.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network_scale: int = network.config.scale
        self.scale = float(config.scale or network.config.scale)
        self.half: Generator | None = None
        wanted = config.precision == "auto" and has_native_bf16(self.device)
        self.untried = wanted or config.precision == "bf16"

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the result."""
        # 0.1 * 30 is a little more than 3
        rows, columns = (math.ceil(round(side * self.scale, 6)) for side in (height, width))
        return rows, columns

    def __call__(
        self,
        image: DecodedImage,
        *,
        canvas: Callable[[tuple[int, int, int], np.dtype], Canvas] = np.empty,
        on_part: Callable[[int, int], None] = lambda done, total: None,
    ) -> DecodedImage:
        """Upscale an image in its own mode and depth.

        Gray goes through the network in all three channels; CMYK as the colors that its first
        three inks leave and its black as gray; alpha is resized bicubically, and what it hides
        does not bleed into what is seen.

        Args:
            image: of any kind.
            canvas: makes the array of the result, color and alpha as its channels, of a shape
                and type; one that lies on a disk, perhaps.
            on_part: told how many of the image's parts are done, and of how many.

        Raises:
            NotFiniteError: if the result is not finite.
            MemoryError: if it does not fit, in tiles neither.
        """
        pixels, alpha = image.pixels, image.alpha
        height, width, channels = pixels.shape
        shape = (*self.output_size(height, width), channels + (alpha is not None))
        whole = canvas(shape, pixels.dtype)
        color = whole[..., :channels]
        if alpha is not None:
            pixels = fill_transparent(pixels, alpha)
            shares = as_type(alpha, np.float32)[..., None]
            enlarged = imresize(shares, size=self.output_size(height, width))[..., 0]
            whole[..., channels] = as_type(enlarged, pixels.dtype)
        # half precision tells no 16 bits apart
        exact = pixels.dtype != np.uint8
        match image.kind:
            case "rgb":
                self._color(pixels, color, exact, on_part)
            case "gray":
                self._color(pixels.repeat(3, axis=2), color, exact, on_part)
            case "cmyk":
                inks, black = color[..., :3], color[..., 3:]
                self._color(_inverse(pixels[..., :3]), inks, exact, on_part)
                inks[...] = _inverse(inks)
                self._color(pixels[..., 3:].repeat(3, axis=2), black, exact, on_part)
        if self.device.type == "cpu":
            release_freed_memory()
        return replace(image, pixels=color, alpha=None if alpha is None else whole[..., channels])

    def _color(
        self,
        rgb: Canvas,
        result: Canvas,
        exact: bool,
        on_part: Callable[[int, int], None],
    ) -> None:
        """Upscale RGB into `result`, which has three channels, or one for its luma."""
        divisor = WHITE[rgb.dtype]
        lr = torch.from_numpy(rgb.astype(np.float32)).div_(divisor).permute(2, 0, 1)[None]
        if not exact and self.untried:
            self.untried = False
            self.half, words = try_bf16(self.full, lr)
            self.say(words)
        network = self.full if exact or self.half is None else self.half
        if not self.config.ensemble and self.scale == self.network_scale:
            self._in_memory(network, lr, result, on_part)
            return
        shape = (rgb.shape[0] * self.network_scale, rgb.shape[1] * self.network_scale, 3)
        values = np.empty(shape, dtype=np.float32)
        self._in_memory(network, lr, values, on_part)
        if self.scale != self.network_scale:
            size = result.shape[:2]
            values = imresize(values, size=(size[0], size[1])).astype(np.float32)
        result[...] = _quantised(values, result)

    def _in_memory(
        self,
        network: Generator,
        lr: Float[Tensor, "1 3 h w"],
        values: Canvas,
        on_part: Callable[[int, int], None],
    ) -> None:
        """Fill `values` by parts as large as the memory allows."""
        height, width = lr.shape[-2:]
        if self.device.type == "cpu":
            small = required_memory(network, height, width) < KEPT_BELOW
            _ = keep_freed_memory() if small else use_default_allocator()
        side = self.config.tile
        if side is None:
            side = choose_tile_side(network, height, width, self._memory())
        while True:
            if side:
                self.say(_tiles(network, side, height, width))
            try:
                apart = self._all_turns(network, lr, values, side, on_part)
                break
            except (MemoryError, RuntimeError) as error:
                if not _wants_memory(error):
                    raise
                if self.config.tile is not None:
                    raise MemoryError(
                        f"a tile of {self.config.tile or 'the whole image'} does not fit into "
                        "memory; take smaller ones, or --tile auto"
                    ) from error
            smaller = (side or max(height, width)) // 2
            if smaller < SMALLEST_TILE:
                raise MemoryError("the smallest tile does not fit into memory")
            self.say(f"out of memory; tiles of {smaller} pixels are tried")
            side = smaller
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        if side and not is_exact(network, side):
            self.say(f"tiles differ by at most {apart * 255:.2f} of 255 at their seams")

    def _all_turns(
        self,
        network: Generator,
        lr: Float[Tensor, "1 3 h w"],
        values: Canvas,
        side: int,
        on_part: Callable[[int, int], None],
    ) -> float:
        """Fill `values` with the image's result, or the ensemble's mean; how far tiles differ."""
        count = SYMMETRIES if self.config.ensemble else 1
        if count > 1:
            values[...] = 0
        apart = 0.0
        for which in range(count):
            turned = np.ascontiguousarray(symmetry(lr[0].permute(1, 2, 0).numpy(), which))
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
                    target[rows, columns] = _quantised(block, values)

            def part_done(done: int, total: int, which: int = which) -> None:
                on_part(which * total + done, count * total)

            seams = upscale_tiled(network, images, write, side=side, on_tile=part_done)
            apart = max(apart, seams)
        return apart

    def _memory(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.mem_get_info(self.device)[0] * 0.9)
        return self.free_memory()


def _quantised(block: Values, like: Canvas) -> Canvas:
    """Values in [0, 1] in the type and the number of channels of `like`."""
    if like.shape[2] == 1:
        block = luma(block)[..., None]
    return as_type(block, like.dtype)


def _inverse(values: Canvas) -> Canvas:
    top = WHITE[values.dtype]
    return (np.asarray(top, dtype=values.dtype) - values).astype(values.dtype)


def _wants_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(
        error
    )


def _tiles(network: Generator, side: int, height: int, width: int) -> str:
    exact = "exact" if is_exact(network, side) else "nearly exact; the seams are measured"
    return f"{width}x{height} pixels in tiles of {side} ({exact})"
