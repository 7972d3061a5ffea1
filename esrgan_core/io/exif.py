"""EXIF: numbers of its tags and TIFF's, and the tags of results."""

from PIL import Image

from esrgan_core.io.decoded_image import DecodedImage

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
WIDTH_TAG, HEIGHT_TAG, XMP_TAG, ICC_TAG = 0xA002, 0xA003, 700, 34675
DESCRIBING = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
"""Tags to keep: description, make, model, software, date, artist, copyright."""


def resized_exif(image: DecodedImage) -> Image.Exif:
    """The image's EXIF; tags that hold a size have that of the pixels."""
    exif = Image.Exif()
    if image.metadata.exif:
        exif.load(image.metadata.exif)
        inner = exif.get_ifd(EXIF_IFD)
        height, width = image.pixels.shape[:2]
        for tag, value in ((WIDTH_TAG, width), (HEIGHT_TAG, height)):
            if tag in inner:
                inner[tag] = value
    return exif
