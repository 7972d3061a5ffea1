"""EXIF of results."""

from PIL import Image

from esrgan_core.io.decoded import DecodedImage
from esrgan_core.io.tags import EXIF_IFD, HEIGHT_TAG, WIDTH_TAG


def exif_of(image: DecodedImage) -> Image.Exif:
    """The tags, with the sizes that they may name set right."""
    exif = Image.Exif()
    if image.metadata.exif:
        exif.load(image.metadata.exif)
        inner = exif.get_ifd(EXIF_IFD)
        height, width = image.pixels.shape[:2]
        for tag, value in ((WIDTH_TAG, width), (HEIGHT_TAG, height)):
            if tag in inner:
                inner[tag] = value
    return exif
