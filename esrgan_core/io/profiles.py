"""ICC profiles of files."""

from dataclasses import replace

from esrgan_core.io.decoded_image import Metadata

HEADER = 128
"""Bytes in front of the tags."""
DAMAGED = "the ICC profile is damaged: dropped, so colors may look different"


def without_damaged_profile(metadata: Metadata) -> Metadata:
    """Drop and report a profile that is incomplete, or none."""
    icc = metadata.icc
    if not icc or (icc[36:40] == b"acsp" and HEADER <= int.from_bytes(icc[:4]) <= len(icc)):
        return metadata
    return replace(metadata, icc=b"").losing(DAMAGED)
