"""An image in memory, what belongs to it, and the formats that there are."""

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
"""What stands for white in pixels of each type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What a file says of its image; empty where it says nothing."""

    exif: bytes = b""
    """From `Exif` on; the orientation is not in it, since it has been applied."""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedImage:
    """Pixels, upright, with what belongs to them."""

    pixels: Array
    """One channel for gray, three for RGB, four for CMYK. `uint8` and `uint16` span black to
    white, `float32` does so from 0 to 1."""
    alpha: Plane | None = None
    """Opaqueness in the type of the pixels."""
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    """Pillow's word for what it was read from."""
    changes: tuple[str, ...] = ()
    """What reading had to change."""

    @property
    def kind(self) -> Kind:
        """What the channels are."""
        return KINDS[self.pixels.shape[2]]


def as_type(values: Shaped[np.ndarray, "..."], kind: Any) -> Shaped[np.ndarray, "..."]:
    """Values of one type as another's: clipped and rounded half up, but for floats.

    >>> as_type(np.array([0, 255], np.uint8), np.uint16)
    array([    0, 65535], dtype=uint16)
    """
    if values.dtype == kind:
        return values
    # float32 tells all of 16 bits apart
    shares = values.astype(np.float32) / np.float32(WHITE.get(values.dtype, 1.0))
    if kind == np.float32:
        return shares
    np.clip(shares, 0, 1, out=shares)
    shares *= np.float32(WHITE[np.dtype(kind)])
    shares += np.float32(0.5)
    return shares.astype(kind)  # towards zero, which for these is down
