"""Pixels of formats of which Pillow drops bits or a transparent color."""

import re
from io import BytesIO
from pathlib import Path

from PIL import Image

from esrgan_core.io.decoded_image import Array, as_full_range
from esrgan_core.io.decoding import BadImageError

DEEP = re.compile(r"(?<!BGR);16")
"""In Pillow's names of layouts of 16 bits a sample; `BGR;16` has 5 or 6."""
SHALLOW = re.compile(r"\bL;([24])\b")
FIVE = re.compile(r"BGR;1[56]")


def stored_bits(image: Image.Image, source: Path | BytesIO) -> int:
    """Bits of a sample in the file; 8 for palettes, black and white, and float.

    `image` is the opened file, before its pixels are loaded.

    Raises:
        BadImageError: if they are signed.
    """
    arguments = [tile.args for tile in getattr(image, "tile", ())]
    match image.format:
        case "PPM":
            # the largest value, unless it is 255; floats have none
            most = max((one[-1] for one in arguments if isinstance(one, tuple)), default=255)
            if image.mode == "I" and most <= 255:
                return 16
            return most.bit_length() if most > 0 else 8
        case "JPEG2000":
            # the codestream's header: two markers, 40 bytes, and the depth of the first channel
            data = _bytes(source)
            depth = data[data.index(b"\xff\x4f\xff\x51") + 42]
            if depth & 0x80:
                raise BadImageError("signed samples; convert them to unsigned ones")
            return depth + 1
        case "AVIF":
            # the property `pixi`: 4 bytes, the number of channels, the depth of the first one
            data = _bytes(source)
            position = data.find(b"pixi")
            return data[position + 9] if position >= 0 else 8
        case "SGI":
            return _bytes(source)[3] * 8
        case _:
            layouts = " ".join(str(one) for one in arguments)
            if found := SHALLOW.search(layouts):
                return int(found[1])
            return 16 if DEEP.search(layouts) else 5 if FIVE.search(layouts) else 8


def decode_deep(image: Image.Image, source: Path | BytesIO, bits: int) -> Array:
    """Decode an image of more than 8 bits, or a PNG of any depth, with all its channels.

    Raises:
        BadImageError: if the format is not supported.
    """
    import imagecodecs  # noqa: PLC0415  slow to import

    match image.format:
        case "PNG":
            values = imagecodecs.png_decode(_bytes(source))
        case "JPEG2000" if image.mode != "CMYK":
            values = as_full_range(imagecodecs.jpeg2k_decode(_bytes(source)), bits)
        case "AVIF":
            values = as_full_range(imagecodecs.avif_decode(_bytes(source)), bits)
        case _:
            raise BadImageError(f"{bits}-bit color in {image.format}; save it as PNG or TIFF")
    return values[..., None] if values.ndim == 2 else values


def _bytes(source: Path | BytesIO) -> bytes:
    return source.getvalue() if isinstance(source, BytesIO) else source.read_bytes()
