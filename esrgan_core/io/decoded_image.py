"""An image in memory with its metadata, and the supported formats."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Shaped

from esrgan_core.io.png_chunks import Chunk

Format = Literal["png", "jpg", "webp", "tif"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIX_FORMATS: dict[str, Format] = {
    ".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".jfif": "jpg", ".jpe": "jpg", ".webp": "webp",
    ".tif": "tif", ".tiff": "tif",
}  # fmt: skip
Kind = Literal["gray", "rgb", "cmyk"]
KINDS: dict[int, Kind] = {1: "gray", 3: "rgb", 4: "cmyk"}
CHANNELS = {kind: channels for channels, kind in KINDS.items()}

Array = Shaped[np.ndarray, "_ _ _"]
Plane = Shaped[np.ndarray, "_ _"]

WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""The value of white by type of the pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """Metadata of a file; empty values are absent."""

    exif: bytes = b""
    """In the layout of a TIFF, without the thumbnail; the orientation has been applied."""
    icc: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    dpi: tuple[float, float] | None = None
    comments: tuple[bytes, ...] = ()
    """Comments of JPEG and GIF."""
    texts: tuple[Chunk, ...] = ()
    """Texts of PNG."""
    colors: tuple[Chunk, ...] = ()
    """PNG's descriptions of colors other than `icc`."""
    lost: tuple[str, ...] = ()
    """What could not be kept, for messages."""

    def losing(self, message: str) -> "Metadata":
        """The same with another message about what could not be kept."""
        return replace(self, lost=(*self.lost, message))

    def losing_aspect(self, x: float, y: float) -> "Metadata":
        """The same with a message if a resolution without unit states pixels that are no squares.

        Programs show them stretched.
        """
        if not x or not y or x == y:
            return self
        return self.losing(f"the aspect of the pixels was dropped: {x:g} to {y:g} per length")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedImage:
    """Upright pixels with alpha and metadata."""

    pixels: Array
    """One channel for gray, three for RGB, four for CMYK; as `float32`, 0 is black, 1 is white."""
    alpha: Plane | None = None
    """Opacity in the type of the pixels."""
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    """Pillow's name of the file's format."""
    mode: str = ""
    """The file's mode: Pillow's `P`, `1` or `F`, or of `mode_name`."""
    changes: tuple[str, ...] = ()
    """Changes that reading or converting made, for messages."""

    @property
    def kind(self) -> Kind:
        """Kind of the channels."""
        return KINDS[self.pixels.shape[2]]


def mode_name(kind: Kind, has_alpha: bool, bits: int, *, is_float: bool = False) -> str:
    """Pillow's name of a mode of 8 bits, and the bits of deeper ones, such as `RGB;16`."""
    depth = "" if bits <= 8 else f";{bits}{'F' if is_float else ''}"
    return {"gray": "L", "rgb": "RGB", "cmyk": "CMYK"}[kind] + "A" * has_alpha + depth


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


def as_full_range(values: Shaped[np.ndarray, "..."], bits: int) -> Shaped[np.ndarray, "..."]:
    """Scale samples of other depths to all 8 bits, or to all 16 if they have more than 8.

    >>> as_full_range(np.array([0, 2048, 4095]), 12)
    array([    0, 32776, 65535], dtype=uint16)
    """
    kind = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    top = np.uint32(2**bits - 1)
    scaled = (values.astype(np.uint32) * np.uint32(WHITE[kind]) + top // 2) // top
    return scaled.astype(kind)
