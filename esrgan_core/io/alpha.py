"""Color of transparent pixels."""

import numpy as np

from esrgan_core.io.decoded_image import WHITE, Array, Plane


def unpremultiply(pixels: Array, alpha: Plane) -> Array:
    """Divide colors by the alpha that they were multiplied with; 0 where that is 0.

    >>> unpremultiply(np.full((1, 1, 1), 100, np.uint8), np.full((1, 1), 200, np.uint8)).item()
    128
    """
    opacity = alpha[..., None]
    if pixels.dtype == np.float32:
        return np.divide(pixels, opacity, out=np.zeros_like(pixels), where=opacity > 0)
    # 65535 * 65535 + 32767 fits into 32 bits
    divisor = np.maximum(opacity, 1).astype(np.uint32)
    top = np.uint32(WHITE[pixels.dtype])
    color = (np.minimum(pixels, opacity) * top + divisor // 2) // divisor
    return color.astype(pixels.dtype)


def fill_transparent(pixels: Array, alpha: Plane) -> Array:
    """Give transparent pixels the color of the nearest visible one.

    A network or a resize would otherwise mix hidden colors, often black, into visible edges.
    """
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415  reading need not wait for it

    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return pixels[rows, columns]
