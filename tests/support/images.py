"""Image files in memory."""

from io import BytesIO

from PIL import Image

from esrgan_core.io.rgb import Pixels


def encode_png(pixels: Pixels) -> bytes:
    """PNG bytes of 8-bit RGB."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
