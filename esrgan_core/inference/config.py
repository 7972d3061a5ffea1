"""Configuration of the upscaler."""

from dataclasses import dataclass
from typing import Literal

from esrgan_core.inference.tiling import MIN_TILE
from esrgan_core.precision import PrecisionChoice

EngineName = Literal["torch", "ncnn"]
EngineChoice = Literal["auto", "torch", "ncnn"]
"""`auto`: ncnn where it is installed and a test finds it faster and accurate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleConfig:
    """How images are upscaled."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`; `auto`: a GPU if there is one."""
    precision: PrecisionChoice = "auto"
    """`auto`: bf16 if the hardware has it and a test of the network finds it accurate."""
    engine: EngineChoice = "torch"
    """`auto`: ncnn if it is installed and a test finds it faster; fp32 only."""
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
