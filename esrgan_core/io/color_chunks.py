"""ICC profiles for colors that chunks of PNG describe."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt16

SRGB_GAMMA = 45455
"""Of gAMA, times 100,000: the approximation of sRGB that encoders write."""
SRGB_CHROMATICITIES: tuple[int, ...] = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""Of cHRM, times 100,000: white, red, green and blue."""
PRIMARIES: dict[int, tuple[int, ...]] = {
    1: SRGB_CHROMATICITIES,
    9: (31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600),
    12: (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000),
}
"""Of cICP: BT.709, BT.2020 and Display P3."""
SRGB_CICP = bytes((1, 13, 0, 1))
"""Primaries of BT.709, curve of sRGB, RGB, full range."""
CHRM_TOLERANCE = 100
"""Rounding of chromaticities by encoders."""
DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
"""Of created profiles, so that results are the same at any time."""


def is_srgb(chunks: Mapping[bytes, bytes]) -> bool:
    """Whether the chunks describe what an image without description is taken for."""
    if cicp := chunks.get(b"cICP"):
        return cicp == SRGB_CICP
    if b"sRGB" in chunks:
        return True
    gamma, chromaticities = _numbers(chunks, b"gAMA", 1), _numbers(chunks, b"cHRM", 8)
    return gamma in (None, (SRGB_GAMMA,)) and (
        chromaticities is None
        or all(
            abs(one - other) <= CHRM_TOLERANCE
            for one, other in zip(chromaticities, SRGB_CHROMATICITIES, strict=True)
        )
    )


def chunk_profile(chunks: Mapping[bytes, bytes], *, gray: bool) -> bytes:
    """The ICC profile of cICP, or else of gAMA and cHRM; empty if it could not describe them."""
    from imagecodecs import cms_profile  # noqa: PLC0415  imagecodecs is slow to import

    options: dict[str, Any]
    if cicp := chunks.get(b"cICP"):
        if cicp[1:] != SRGB_CICP[1:] or cicp[0] not in PRIMARIES:
            return b""
        chromaticities, options = PRIMARIES[cicp[0]], {"transferfunction": _srgb_curve()}
    else:
        gamma = _numbers(chunks, b"gAMA", 1)
        if gamma is None or gamma[0] == 0:
            return b""
        chromaticities = _numbers(chunks, b"cHRM", 8) or SRGB_CHROMATICITIES
        options = {"gamma": 1e5 / gamma[0]}
    colors = [value / 1e5 for value in chromaticities]
    if not gray:
        options["primaries"] = colors[2:]
    kind = "gray" if gray else "rgb"
    try:
        profile = bytearray(cms_profile(kind, whitepoint=colors[:2], **options))
    except (RuntimeError, ValueError):
        return b""  # chromaticities that are no colors
    profile[24:36] = DATE
    return bytes(profile)


def _srgb_curve() -> UInt16[np.ndarray, "4096"]:
    """Light by value."""
    value = np.linspace(0, 1, 4096)
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.rint(light * 65535).astype(np.uint16)


def _numbers(chunks: Mapping[bytes, bytes], name: bytes, count: int) -> tuple[int, ...] | None:
    """The numbers of a chunk; None if it is absent or damaged."""
    content = chunks.get(name, b"")
    return struct.unpack(f">{count}I", content) if len(content) == 4 * count else None
