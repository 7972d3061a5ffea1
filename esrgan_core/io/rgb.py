"""Image files to 8-bit RGB arrays and back, as training and metrics use them."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from esrgan_core.files import atomic_path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
THUMBNAIL = 32
RGB_MODES = frozenset({"RGB", "L"})
Pixels = UInt8[np.ndarray, "_ _ 3"]


class BadImageError(ValueError):
    """An image that cannot be used; the message says why and what would help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """What a fully decoded image is."""

    width: int
    height: int
    mode: str
    """Pillow's word for it, or RGB;16."""
    format: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStats:
    """An image decoded once: what it is, and what it shows."""

    facts: ImageFacts
    pixels: Pixels | None
    """None unless it is 8-bit RGB or gray."""
    thumbnail: UInt8[np.ndarray, "32 32"]
    """All of it in gray; black unless it is 8-bit RGB or gray."""


@contextmanager
def open_header(source: Path | BytesIO) -> Iterator[Image.Image]:
    """Open an image of which no pixel is decoded yet; its size is checked.

    Raises:
        BadImageError: if it is damaged, too large, several in one, or no image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # the size is checked as the header is read, before anything is decoded
            with Image.open(source) as image:
                # of the two in a phone's MPO the first is the photograph
                if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
                    raise BadImageError(f"{frames} images in one; save the one that is meant")
                yield image
    except UnidentifiedImageError as error:
        raise BadImageError(
            "not an image that Pillow can read; replace it with a PNG, JPEG, TIFF or WebP"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(f"{error}; cut the image into smaller ones") from error
    except (BadImageError, FileNotFoundError):
        raise
    except MemoryError as error:
        raise BadImageError("it does not fit into memory; cut it into smaller ones") from error
    except Exception as error:
        # decoders of damaged files fail in every way there is
        raise BadImageError(f"damaged ({error}); fetch or export it again") from error


@contextmanager
def open_image(source: Path | BytesIO) -> Iterator[tuple[Image.Image, str]]:
    """Open and decode every pixel, so that a truncated file fails here and not in training.

    Gives the image and its mode: Pillow's word, or RGB;16 and RGBA;16 where Pillow drops the
    lower 8 bits of 16 without a word.

    Raises:
        BadImageError: if it is damaged, too large, several in one, or no image.
    """
    with open_header(source) as image:
        # known only before the pixels are loaded
        deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
        image.load()
        lossy = deep and not image.mode.startswith("I;16")
        yield image, f"{image.mode};16" if lossy else image.mode


def inspect_image(path: Path) -> ImageStats:
    """Decode the whole image, once, and look at it.

    Raises:
        BadImageError: if it is damaged, too large, several in one, or no image.
    """
    with open_image(path) as (image, mode):
        facts = ImageFacts(
            width=image.width, height=image.height, mode=mode, format=image.format or ""
        )
        # LAB and the like cannot be made gray; that mode is refused anyway
        gray = image.convert("L") if mode in RGB_MODES else Image.new("L", image.size)
        small = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        return ImageStats(
            facts=facts,
            pixels=np.asarray(image.convert("RGB")) if mode in RGB_MODES else None,
            thumbnail=np.asarray(small),
        )


def read_rgb(source: Path | BytesIO) -> Pixels:
    """Read an 8-bit RGB image, or a gray one with its value in all three channels.

    Raises:
        BadImageError: if it is damaged, or has another mode, since dropping alpha or
            scaling 16 bits silently would change the image.
    """
    with open_image(source) as (image, mode):
        if mode not in RGB_MODES:
            raise BadImageError(f"mode {mode}; convert it to 8-bit RGB or gray")
        return np.asarray(image.convert("RGB"))


def write_png(path: Path, pixels: Pixels) -> None:
    """Write 8-bit RGB losslessly and atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def encode_png(pixels: Pixels) -> bytes:
    """PNG bytes of 8-bit RGB."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_webp(pixels: Pixels, quality: int | None = None) -> bytes:
    """WebP bytes of 8-bit RGB: lossless, a fifth smaller than PNG, or of a quality up to 100."""
    buffer = BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(buffer, format="WEBP", lossless=True, quality=80, method=4)
    else:
        Image.fromarray(pixels).save(buffer, format="WEBP", quality=quality)
    return buffer.getvalue()


def resize_with_pillow(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pillow's own bicubic to (height, width); not MATLAB's, which is in `io.resize`."""
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))


def gray_image(pixels: UInt8[np.ndarray, "h w"]) -> Image.Image:
    """Gray pixels as an object of Pillow's, for libraries that take one."""
    return Image.fromarray(pixels)


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder` by suffix, sorted; links are followed.

    Hidden files and folders are left out.
    """
    found: list[Path] = []
    been: set[Path] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = Path(here).resolve()
        # a link may lead back
        folders[:] = [] if real in been else [name for name in folders if name[0] != "."]
        if real not in been:
            paths = (Path(here) / name for name in names if name[0] != ".")
            found += [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
        been.add(real)
    return sorted(found)
