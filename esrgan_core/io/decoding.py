"""Image files opened by Pillow, with errors that say what would help."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from esrgan_core.io.signatures import describe_unknown


class BadImageError(ValueError):
    """An image that cannot be used; the message says why and what would help."""


class NotFiniteError(BadImageError):
    """A network's result is not finite."""

    def __init__(self, where: str = "") -> None:
        super().__init__(f"{where}the network's result is not finite; use other weights")


@contextmanager
def open_header(source: Path | BytesIO, frame: int | None = None) -> Iterator[Image.Image]:
    """Open an image and check its size, without decoding pixels.

    Exceptions while it is open, such as those of decoding, are raised as `BadImageError` as well.
    `frame` selects one of several images, which are an error otherwise.

    Raises:
        BadImageError: if it is damaged, too large, not an image, or a file of several images.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # a path would be mapped into memory, where Pillow misreads turned palettes of TIFF
            opened = source.open("rb") if isinstance(source, Path) else nullcontext(source)
            with opened as file, Image.open(file) as image:
                if frame is not None:
                    image.seek(frame)
                # the first of the two images in a phone's MPO is the photograph
                elif (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
                    raise BadImageError(f"{frames} images in one file; save the one to use")
                yield image
    except UnidentifiedImageError as error:
        raise BadImageError(describe_unknown(source)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(f"{error}; cut the image into smaller ones") from error
    except (BadImageError, FileNotFoundError):
        raise
    except Exception as error:
        raise bad_image(error) from error


def bad_image(error: Exception) -> BadImageError:
    """The error to raise for an exception of a decoder; damaged files cause all kinds of them."""
    if isinstance(error, MemoryError):
        return BadImageError("it does not fit into memory; cut it into smaller ones")
    return BadImageError(f"damaged ({error}); fetch or export it again")


def reason(error: Exception) -> str:
    """The message of an error about a file; other errors are named by their type, too.

    >>> reason(ValueError("XMP data is too long")), reason(KeyError("a")), reason(MemoryError())
    ('XMP data is too long', "KeyError: 'a'", 'MemoryError')
    """
    message, name = str(error), type(error).__name__
    if message and isinstance(error, ValueError | OSError | MemoryError):
        return message
    return f"{name}: {message}" if message else name
