"""What a format can hold, and images made so that it does."""

from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import ImageCms

from esrgan_core.io.decoded_image import Array, DecodedImage, Format, Plane, as_type
from esrgan_core.io.pillow import as_pillow
from esrgan_core.io.rgb import BadImageError

MOST_SIDE: dict[Format, int] = {"png": 2**31 - 1, "jpg": 65535, "webp": 16383, "tif": 2**31 - 1}
"""Pixels a side that a format can hold."""


def check_size(width: int, height: int, format_: Format) -> None:
    """Refuse, before it is made, what a format cannot hold.

    Raises:
        BadImageError: naming the sizes.
    """
    if max(width, height) > MOST_SIDE[format_]:
        raise BadImageError(
            f"the result of {width}x{height} pixels does not fit into {format_}, which holds "
            f"{MOST_SIDE[format_]} a side; take --format png or tif"
        )


def convert_to(image: DecodedImage, format_: Format) -> DecodedImage:
    """The image as `format_` can hold it; `changes` says what that took."""
    changes = list(image.changes)
    pixels, alpha, metadata = image.pixels, image.alpha, image.metadata
    if format_ in ("jpg", "webp") and pixels.dtype != np.uint8:
        changes.append(f"{_depth(pixels)} became 8 bits")
        pixels, alpha = _both_as(pixels, alpha, np.uint8)
    if format_ == "png" and pixels.dtype == np.float32:
        changes.append("float became 16 bits, values outside [0, 1] were clipped")
        pixels, alpha = _both_as(pixels, alpha, np.uint16)
    if format_ == "jpg" and alpha is not None:
        if (alpha != 255).any():
            changes.append("JPEG has no alpha: laid on white")
        pixels, alpha = _on_white(pixels, alpha), None
    must_be_rgb = (format_ == "webp" and image.kind != "rgb") or (
        format_ == "png" and image.kind == "cmyk"
    )
    if must_be_rgb:
        profile = " by its profile" if metadata.icc else ""
        changes.append(f"{image.kind} became RGB{profile}")
        if pixels.dtype != np.uint8:
            changes.append(f"{_depth(pixels)} became 8 bits")
            pixels, alpha = _both_as(pixels, alpha, np.uint8)
        pixels = _to_rgb(pixels, metadata.icc)
        # sRGB from here on
        metadata = replace(metadata, icc=b"")
    return replace(image, pixels=pixels, alpha=alpha, metadata=metadata, changes=tuple(changes))


def _depth(pixels: Array) -> str:
    return "float" if pixels.dtype == np.float32 else "16 bits"


def _both_as(pixels: Array, alpha: Plane | None, kind: type) -> tuple[Array, Plane | None]:
    return as_type(pixels, kind), None if alpha is None else as_type(alpha, kind)


def _on_white(pixels: Array, alpha: Plane) -> Array:
    share = alpha[..., None].astype(np.float32) / 255
    return np.floor(pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def _to_rgb(pixels: Array, icc: bytes) -> Array:
    pillow_image = as_pillow(pixels, None)
    if icc:
        srgb = ImageCms.createProfile("sRGB")
        try:
            turned = ImageCms.profileToProfile(pillow_image, BytesIO(icc), srgb, outputMode="RGB")
            if turned is not None:
                return np.asarray(turned)
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile says nothing; the plain formula is what viewers use then
    return np.asarray(pillow_image.convert("RGB"))
