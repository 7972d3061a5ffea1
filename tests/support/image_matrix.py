"""Images of every format, depth and kind of alpha, made without the code under test."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.support.images import raw_png, raw_tiff

Unit = NDArray[np.float64]
"""Values in [0, 1]."""
HEIGHT, WIDTH = 14, 21
CHANNELS = {"gray": 1, "rgb": 3, "cmyk": 4}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """An image file, and what is in it."""

    data: bytes
    format: str
    """How metadata is put into it."""
    color: Unit = field(default_factory=lambda: np.zeros((1, 1, 1)))
    alpha: Unit | None = None
    depth: int = 8
    """Of the image that is read: 8, 16, or 32 for float."""
    tolerance: float = 0.0
    """Of lossy encodings."""
    reported: tuple[str, ...] = ()
    """Patterns of what reading reports."""
    refused: str = ""
    """Pattern of the error."""
    hard: bool = False
    """Whether neighboring pixels differ much, which JPEG blurs."""

    @property
    def kind(self) -> str:
        return {1: "gray", 3: "rgb", 4: "cmyk"}[self.color.shape[2]]


def ramps(channels: int) -> Unit:
    """Smooth values of which no symmetry of the square is the same."""
    x, y = np.linspace(0, 1, WIDTH)[None], np.linspace(0, 1, HEIGHT)[:, None]
    planes = (
        0.7 * x + 0.3 * y,
        0.3 - 0.3 * x + 0.7 * y,
        0.5 + 0.5 * x - 0.5 * y,
        0.3 * x + 0.2 * y,
    )
    return np.stack([np.broadcast_to(one, (HEIGHT, WIDTH)) for one in planes[:channels]], axis=2)


def opacity() -> Unit:
    """From fully transparent to opaque."""
    return np.clip(1.4 * ramps(1)[..., 0] - 0.2, 0, 1)


def levels(unit: Unit, bits: int) -> NDArray[np.uint16]:
    return np.floor(unit * (2**bits - 1) + 0.5).astype(np.uint16)


def fractions(samples: NDArray[Any], bits: int) -> Unit:
    return samples.astype(np.float64) / (2**bits - 1)


def with_alpha(color: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([color, alpha[..., None]], axis=2)


def png(kind: str, bits: int, *, alpha: bool = False, key: bool = False) -> Sample:
    """Gray or RGB, with an alpha channel or a transparent color."""
    color = levels(ramps(CHANNELS[kind]), bits)
    samples, chunks, opaque = color, {}, None
    if alpha:
        opaque = fractions(levels(opacity(), bits), bits)
        samples = with_alpha(color, levels(opacity(), bits))
    if key:
        chosen = color[HEIGHT // 2, WIDTH // 2]
        opaque = 1.0 - (color == chosen).all(axis=2)
        chunks = {b"tRNS": chosen.astype(">u2").tobytes()}
    type_ = {"gray": 0, "rgb": 2}[kind] + 4 * alpha
    return Sample(
        data=raw_png(samples, bits, type_, chunks).getvalue(),
        format="png",
        color=fractions(color, bits),
        alpha=opaque,
        depth=8 if bits <= 8 else 16,
        reported=("transparent color became alpha",) * key
        + (f"{bits} bits? became 8",) * (bits < 8),
        hard=key or bits < 8,
    )


def palette(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """(palette, its opacities, indices of pixels)."""
    random = np.random.default_rng(count)
    indices = np.floor(ramps(1)[..., 0] * (count - 0.01)).astype(np.uint8)
    return random.integers(0, 256, (count, 3), np.uint8), random.integers(0, 256, count), indices


def indexed_png(bits: int, *, transparent: bool) -> Sample:
    colors, opacities, indices = palette(2**bits)
    chunks = {b"PLTE": colors.tobytes()}
    if transparent:
        chunks[b"tRNS"] = opacities.astype(np.uint8).tobytes()
    return Sample(
        data=raw_png(indices[..., None], bits, 3, chunks).getvalue(),
        format="png",
        color=colors[indices] / 255,
        alpha=opacities[indices] / 255 if transparent else None,
        reported=("palette became RGB",),
        hard=True,
    )


def jpeg(kind: str, **options: Any) -> Sample:
    samples = levels(ramps(CHANNELS[kind]), 8).astype(np.uint8)
    data = bytes(imagecodecs.jpeg8_encode(samples, level=95, subsampling="444", **options))
    if kind == "cmyk":
        # Adobe's are inverted
        decoded = 255 - imagecodecs.jpeg8_decode(data, outcolorspace="CMYK")
    else:
        decoded = imagecodecs.jpeg8_decode(data)
    color = decoded.reshape(HEIGHT, WIDTH, -1) / 255
    return Sample(data=data, format="jpg", color=color, tolerance=2 / 255)


def webp(*, alpha: bool, level: int | None) -> Sample:
    samples = levels(ramps(3), 8).astype(np.uint8)
    if alpha:
        samples = with_alpha(samples, levels(opacity(), 8).astype(np.uint8))
    data = bytes(imagecodecs.webp_encode(samples, level=level or 100, lossless=level is None))
    decoded = imagecodecs.webp_decode(data) / 255
    return Sample(
        data=data,
        format="webp",
        color=decoded[..., :3],
        alpha=decoded[..., 3] if alpha else None,
        tolerance=2 / 255 if level else 0.0,
    )


def tiff(
    kind: str,
    dtype: str = "u1",
    *,
    extra: str = "",
    photometric: str = "",
    peak: float = 1.0,
    **options: Any,
) -> Sample:
    """A TIFF of 8, 16 or 32 bits with values up to `peak`, by tifffile."""
    type_ = np.dtype(dtype)
    white = 1.0 if type_.kind == "f" else 2.0 ** (8 * type_.itemsize) - 1
    color, alpha = ramps(CHANNELS[kind]) * peak, opacity()
    stored = color * alpha[..., None] if extra == "assocalpha" else color
    if extra:
        stored = with_alpha(stored, alpha)
    rounded = stored * white + (0.5 if type_.kind == "u" else 0)
    samples = (white - rounded if photometric == "miniswhite" else rounded).astype(type_)
    names = {"gray": "minisblack", "rgb": "rgb", "cmyk": "separated"}
    stored = samples.astype(np.float64) / white
    color, opaque = stored[..., : CHANNELS[kind]], stored[..., -1] if extra else None
    if photometric == "miniswhite":
        color = 1 - color
    if extra == "assocalpha":
        assert opaque is not None
        color = np.divide(color, opaque[..., None], where=opaque[..., None] > 0, out=color * 0)
    if options.get("planarconfig") == "separate":
        samples = np.moveaxis(samples, 2, 0)
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        samples.astype(type_) if samples.shape[-1] != 1 else samples[..., 0],
        photometric=photometric or names[kind],
        extrasamples=[extra] if extra else None,
        metadata=None,
        software=False,
        **options,
    )
    dropped = extra == "unspecified"
    return Sample(
        data=buffer.getvalue(),
        format="other" if options.get("bigtiff") else "tif",
        color=color,
        alpha=None if dropped else opaque,
        depth=32 if type_.kind == "f" else 8 * type_.itemsize,
        tolerance=1 / white if extra == "assocalpha" else 1e-7,
        hard=peak > 1,
        reported=("extra channel",) * dropped + ("bits became 32",) * (dtype in ("f2", "f8")),
    )


def odd_tiff(kind: str, bits: int, **options: Any) -> Sample:
    """A TIFF of other depths, which are packed."""
    samples = levels(ramps(CHANNELS[kind]), bits)
    photometric = {"gray": 1, "rgb": 2, "cmyk": 5}[kind]
    return Sample(
        data=raw_tiff(samples, bits, photometric, **options).getvalue(),
        format="tif",
        color=fractions(samples, bits),
        depth=8 if bits <= 8 else 16,
        reported=(f"{bits} bits? became",) * (bits not in (8, 16)),
        hard=bits < 8,
    )


def indexed_tiff() -> Sample:
    colors, _, indices = palette(256)
    buffer = BytesIO()
    tifffile.imwrite(
        buffer, indices, photometric="palette", colormap=colors.T.astype(np.uint16) * 257,
        metadata=None, software=False,
    )  # fmt: skip
    return Sample(
        data=buffer.getvalue(),
        format="tif",
        color=colors[indices] / 255,
        reported=("palette became RGB",),
        hard=True,
    )


def jpeg_tiff() -> Sample:
    buffer = BytesIO()
    samples = levels(ramps(3), 8).astype(np.uint8)
    tifffile.imwrite(
        buffer, samples, photometric="rgb", compression="jpeg", compressionargs={"level": 95},
        metadata=None, software=False,
    )  # fmt: skip
    color = tifffile.imread(BytesIO(buffer.getvalue())) / 255
    return Sample(data=buffer.getvalue(), format="tif", color=color, tolerance=2 / 255)
