"""TIFFs of more than 8 bits, which Pillow reads in part or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.decoding import BadImageError, bad_image
from esrgan_core.io.exif import ORIENTATION, TRANSPOSED, apply_orientation
from esrgan_core.io.metadata_reading import read_tiff_metadata


def deep_tiff(source: Path | BytesIO) -> DecodedImage | None:
    """Read a TIFF of more than 8 bits; None for other files.

    Raises:
        BadImageError: if it is damaged, too large, a file of several images, or of a mode that
            cannot be upscaled.
    """
    with _page(source) as page:
        return None if page is None or _is_plain(page) else _from_page(page)


def tiff_size(source: Path | BytesIO) -> tuple[int, int] | None:
    """(height, width) of the upright image; None if it is not a TIFF.

    Raises:
        BadImageError: if it is damaged or too large.
    """
    with _page(source) as page:
        if page is None:
            return None
        size = page.imagelength, page.imagewidth
        orientation = page.tags[ORIENTATION].value if ORIENTATION in page.tags else 1
        return size[::-1] if int(orientation) in TRANSPOSED else size


def _is_plain(page: Any) -> bool:
    return page.dtype is None or page.dtype == np.uint8 or page.bitspersample < 8


@contextmanager
def _page(source: Path | BytesIO) -> Iterator[Any]:
    """Yield the only page of a TIFF; None if it is not a TIFF."""
    if _head(source)[:2] not in (b"II", b"MM"):
        yield None
        return
    from tifffile import TiffFile, TiffFileError  # noqa: PLC0415  slow to import

    try:
        # its own stream: tifffile closes the one that it gets
        stream = BytesIO(source.getvalue()) if isinstance(source, BytesIO) else source
        with TiffFile(stream) as file:
            page = file.pages.first
            if len(file.pages) > 1 and not _is_plain(page):
                raise BadImageError(f"{len(file.pages)} images in one file; save the one to use")
            limit = Image.MAX_IMAGE_PIXELS or 0
            if page.imagewidth * page.imagelength > limit:
                raise BadImageError(
                    f"{page.imagewidth}x{page.imagelength} pixels are more than {limit}; "
                    "cut the image into smaller ones"
                )
            yield page
            return
    except BadImageError:
        raise
    except TiffFileError:
        pass  # Pillow reports it with a better message
    except Exception as error:
        raise bad_image(error) from error
    yield None


def _head(source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:4]
    with source.open("rb") as file:
        return file.read(4)


def _from_page(page: Any) -> DecodedImage:
    tags = {tag.code: tag.value for tag in page.tags}
    photometric = page.photometric.name
    values = page.asarray()
    if values.dtype == np.float64 or values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype not in (np.uint16, np.float32):
        raise BadImageError(f"pixels of type {values.dtype}; convert them to 8 or 16 bits")
    if values.ndim == 3 and page.planarconfig.name == "SEPARATE":
        values = np.moveaxis(values, 0, -1)
    extra = len(page.extrasamples)
    counts = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "SEPARATED": 4}
    samples = 1 if values.ndim == 2 else values.shape[2]
    if counts.get(photometric) != samples - extra or extra > 1:
        raise BadImageError(f"{samples} channels as {photometric}; convert it to RGB, gray or CMYK")
    values = values.reshape(*values.shape[:2], samples)
    if photometric == "MINISWHITE":
        values = (np.iinfo(values.dtype).max if values.dtype == np.uint16 else 1) - values
    if values.dtype == np.float32 and not np.isfinite(values).all():
        raise BadImageError("some values are not finite")
    turn = int(tags.get(ORIENTATION, 1))
    color, alpha = (values[..., :-1], values[..., -1]) if extra else (values, None)
    return DecodedImage(
        pixels=apply_orientation(color, turn),
        alpha=None if alpha is None else apply_orientation(alpha[..., None], turn)[..., 0],
        metadata=read_tiff_metadata(page),
        format="TIFF",
    )
