"""ICC profiles for colors that chunks of PNG describe."""

import struct
from collections.abc import Mapping

SRGB_GAMMA = 45455
"""Of gAMA, times 100,000: the approximation of sRGB that encoders write."""
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""Of cHRM, times 100,000: white, red, green and blue."""
CHRM_TOLERANCE = 100
"""Rounding of chromaticities by encoders."""
DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
"""Of created profiles, so that results are the same at any time."""


def is_srgb(chunks: Mapping[bytes, bytes]) -> bool:
    """Whether the chunks describe what an image without description is taken for."""
    if cicp := chunks.get(b"cICP"):
        # primaries of BT.709, curve of sRGB, RGB, full range
        return cicp == b"\1\x0d\0\1"
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
    """The ICC profile of gAMA and cHRM; empty if they do not describe colors alone."""
    from imagecodecs import cms_profile  # noqa: PLC0415  imagecodecs is slow to import

    gamma = _numbers(chunks, b"gAMA", 1)
    if b"cICP" in chunks or gamma is None or gamma[0] == 0:
        return b""
    chromaticities = _numbers(chunks, b"cHRM", 8) or SRGB_CHROMATICITIES
    white, primaries = ([value / 1e5 for value in part] for part in _halves(chromaticities))
    try:
        profile = bytearray(
            cms_profile(
                "gray" if gray else "rgb",
                whitepoint=white,
                primaries=None if gray else primaries,
                gamma=1e5 / gamma[0],
            )
        )
    except (RuntimeError, ValueError):
        return b""  # chromaticities that are no colors
    profile[24:36] = DATE
    return bytes(profile)


def _halves(chromaticities: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return chromaticities[:2], chromaticities[2:]


def _numbers(chunks: Mapping[bytes, bytes], name: bytes, count: int) -> tuple[int, ...] | None:
    """The numbers of a chunk; None if it is absent or damaged."""
    content = chunks.get(name, b"")
    return struct.unpack(f">{count}I", content) if len(content) == 4 * count else None
