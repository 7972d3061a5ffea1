"""An image in memory with its metadata, and the supported formats."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Shaped

Format = Literal["png", "jpg", "webp", "tif"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIX_FORMATS: dict[str, Format] = {
    ".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".tif": "tif", ".tiff": "tif",
}  # fmt: skip
Kind = Literal["gray", "rgb", "cmyk"]
KINDS: dict[int, Kind] = {1: "gray", 3: "rgb", 4: "cmyk"}

Array = Shaped[np.ndarray, "_ _ _"]
Plane = Shaped[np.ndarray, "_ _"]

WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""The value of white by type of the pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """Metadata of a file; empty values are absent."""

    exif: bytes = b""
    """From `Exif` on, without the orientation, which has been applied."""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedImage:
    """Upright pixels with alpha and metadata."""

    pixels: Array
    """One channel for gray, three for RGB, four for CMYK; `float32` is in [0, 1]."""
    alpha: Plane | None = None
    """Opacity in the type of the pixels."""
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    """Pillow's name of the file's format."""
    changes: tuple[str, ...] = ()
    """Changes that reading or converting made, for messages."""

    @property
    def kind(self) -> Kind:
        """Kind of the channels."""
        return KINDS[self.pixels.shape[2]]


def as_type(values: Shaped[np.ndarray, "..."], kind: Any) -> Shaped[np.ndarray, "..."]:
    """Convert values to another type; integers are clipped and rounded half up.

    >>> as_type(np.array([0, 255], np.uint8), np.uint16)
    array([    0, 65535], dtype=uint16)
    """
    if values.dtype == kind:
        return values
    # float32 represents all 16 bits
    unit = values.astype(np.float32) / np.float32(WHITE.get(values.dtype, 1.0))
    if kind == np.float32:
        return unit
    np.clip(unit, 0, 1, out=unit)
    unit *= np.float32(WHITE[np.dtype(kind)])
    unit += np.float32(0.5)
    return unit.astype(kind)  # truncates
