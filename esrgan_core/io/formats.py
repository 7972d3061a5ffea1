"""Limits of file formats, and conversion of images to them."""

from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import ImageCms

from esrgan_core.io.decoded_image import WHITE, Array, DecodedImage, Format, Plane, as_type
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.metadata_fitting import fit_metadata, profile_kind
from esrgan_core.io.pillow import to_pillow

MAX_SIDE: dict[Format, int] = {"png": 10**6, "jpg": 65500, "webp": 16383, "tif": 2**31 - 1}
"""Largest side in pixels that our encoders write; libjpeg and libpng stay below their formats."""


def check_size(width: int, height: int, format_: Format) -> None:
    """Check the size of a result before it is computed.

    Raises:
        BadImageError: if the format cannot hold it.
    """
    if max(width, height) > MAX_SIDE[format_]:
        larger = [name for name, side in MAX_SIDE.items() if max(width, height) <= side]
        raise BadImageError(
            f"the result of {width}x{height} pixels does not fit into {format_}, which holds "
            f"{MAX_SIDE[format_]} a side; use --format {' or '.join(larger)}"
        )


def convert_to(image: DecodedImage, format_: Format) -> DecodedImage:
    """Convert the image to what `format_` can hold; `changes` lists the losses."""
    changes = list(image.changes)
    pixels, alpha, metadata = image.pixels, image.alpha, image.metadata
    if format_ in ("jpg", "webp") and pixels.dtype != np.uint8:
        changes.append(_describe(pixels, np.uint8))
        pixels, alpha = _both_as(pixels, alpha, np.uint8)
    if format_ == "png" and pixels.dtype == np.float32:
        changes.append(_describe(pixels, np.uint16))
        pixels, alpha = _both_as(pixels, alpha, np.uint16)
    if format_ == "jpg" and alpha is not None:
        if (alpha != 255).any():
            changes.append("JPEG has no alpha: composited on white")
        paper = 0 if image.kind == "cmyk" else 255
        pixels, alpha = _composite(pixels, alpha, paper), None
    must_be_rgb = (format_ == "webp" and image.kind != "rgb") or (
        format_ == "png" and image.kind == "cmyk"
    )
    if must_be_rgb:
        if pixels.dtype != np.uint8:
            changes.append(_describe(pixels, np.uint8))
            pixels, alpha = _both_as(pixels, alpha, np.uint8)
        pixels, by_profile = _to_rgb(pixels, metadata.icc)
        changes.append(f"{image.kind} became RGB" + " by its profile" * by_profile)
        if by_profile:
            # the pixels are sRGB now
            metadata = replace(metadata, icc=b"", colors=())
        elif metadata.icc and (image.kind != "gray" or profile_kind(metadata.icc) != "rgb"):
            metadata = replace(metadata, icc=b"").losing(
                "the ICC profile could not be applied: dropped, so colors may look different"
            )
    converted = replace(
        image, pixels=pixels, alpha=alpha, metadata=metadata, changes=tuple(changes)
    )
    return convert_metadata(converted, format_, pixels.shape[:2])


def convert_metadata(image: DecodedImage, format_: Format, size: tuple[int, int]) -> DecodedImage:
    """Convert only the metadata, for a result of (height, width); `changes` lists the losses."""
    metadata, lost = fit_metadata(image.metadata, format_, image.kind, size)
    return replace(image, metadata=metadata, changes=(*image.changes, *lost))


def _describe(pixels: Array, kind: type) -> str:
    """The change of 16 bits or float to `kind`."""
    source = "float" if pixels.dtype == np.float32 else "16 bits"
    change = f"{source} became {np.dtype(kind).itemsize * 8} bits"
    if source == "float":
        low, high = float(pixels.min()), float(pixels.max())
        half = 0.5 / WHITE[np.dtype(kind)]
        if low < -half or high >= 1 + half:
            change += f", values from {low:.6g} to {high:.6g} were clipped to [0, 1]"
    return change


def _both_as(pixels: Array, alpha: Plane | None, kind: type) -> tuple[Array, Plane | None]:
    return as_type(pixels, kind), None if alpha is None else as_type(alpha, kind)


def _composite(pixels: Array, alpha: Plane, paper: int) -> Array:
    opacity = alpha[..., None].astype(np.float32) / 255
    return np.floor(pixels * opacity + paper * (1 - opacity) + 0.5).astype(np.uint8)


def _to_rgb(pixels: Array, icc: bytes) -> tuple[Array, bool]:
    """(pixels, whether the profile was applied)."""
    pillow_image = to_pillow(pixels, None)
    if icc:
        srgb = ImageCms.createProfile("sRGB")
        try:
            converted = ImageCms.profileToProfile(
                pillow_image, BytesIO(icc), srgb, outputMode="RGB"
            )
            if converted is not None:
                return np.asarray(converted), True
        except (ImageCms.PyCMSError, OSError):
            pass  # viewers ignore a broken profile, too
    return np.asarray(pillow_image.convert("RGB")), False
