"""The page of a TIFF that holds its image, as tifffile reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from esrgan_core.io.decoded_image import Array
from esrgan_core.io.decoding import BadImageError, bad_image

SEPARATE = 2
"""PlanarConfiguration of one plane per channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TiffImage:
    """The only image of a TIFF: its page and the page of its transparency mask."""

    page: Any
    """tifffile's."""
    mask_page: Any = None

    def values(self) -> Array:
        """The samples as they are stored, with channels last.

        Raises:
            BadImageError: if parts are missing, or it is a volume.
        """
        page = self.page
        if len(page.dataoffsets) < prod(page.chunked):
            raise BadImageError(
                "damaged (parts of the image are missing); fetch or export it again"
            )
        if page.imagedepth > 1:
            raise BadImageError(f"a volume of {page.imagedepth} slices; save the one to use")
        values = page.asarray()
        # a number, since tifffile gives no name if the tag is missing
        if values.ndim == 3 and page.planarconfig == SEPARATE:
            values = np.moveaxis(values, 0, -1)
        return values[..., None] if values.ndim == 2 else values

    def mask(self) -> Array:
        """True where the mask is opaque, in one channel."""
        opaque: Array = self.mask_page.asarray()[..., None] > 0
        return opaque


@contextmanager
def open_tiff(source: Path | BytesIO) -> Iterator[TiffImage | None]:
    """Yield the image of a TIFF; None if it is not one, or so damaged that Pillow should report it.

    Raises:
        BadImageError: if it is damaged, too large, or a file of several images.
    """
    if _head(source)[:2] not in (b"II", b"MM"):
        yield None
        return
    from tifffile import TiffFile, TiffFileError  # noqa: PLC0415  slow to import

    try:
        # its own stream: tifffile closes the one that it gets
        stream = BytesIO(source.getvalue()) if isinstance(source, BytesIO) else source
        try:
            file = TiffFile(stream)
        except TiffFileError:
            file = None
        if file is None:
            yield None
            return
        with file:
            yield _select(file)
    except BadImageError:
        raise
    except Exception as error:
        raise bad_image(error) from error


def _select(file: Any) -> TiffImage:
    """The only page that is neither a reduced-size copy nor a mask, and its mask."""
    pages = list(file.pages)
    full = [page for page in pages if not page.is_reduced and not page.is_mask]
    if not full and len(pages) == 1 and not pages[0].pages:
        full = pages
    if not full:
        raise BadImageError("only reduced-size images; export the full one as PNG or TIFF")
    if len(full) > 1:
        raise BadImageError(f"{len(full)} images in one file; save the one to use")
    page = full[0]
    if not page.imagewidth * page.imagelength:
        raise BadImageError("damaged (no pixels); fetch or export it again")
    # it may be absent only in bilevel images
    if page.samplesperpixel > 1 and "BitsPerSample" not in page.tags:
        raise BadImageError("damaged (no depth); fetch or export it again")
    limit = Image.MAX_IMAGE_PIXELS or 0
    if page.imagewidth * page.imagelength > limit:
        raise BadImageError(
            f"{page.imagewidth}x{page.imagelength} pixels are more than {limit}; "
            "cut the image into smaller ones"
        )
    masks = (one for one in pages if one.is_mask and not one.is_reduced)
    return TiffImage(page=page, mask_page=next(masks, None))


def _head(source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:4]
    with source.open("rb") as file:
        return file.read(4)
