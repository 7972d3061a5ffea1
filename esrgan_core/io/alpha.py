"""Color of transparent pixels."""

from scipy.ndimage import distance_transform_edt

from esrgan_core.io.decoded_image import Array, Plane


def fill_transparent(pixels: Array, alpha: Plane) -> Array:
    """Give transparent pixels the color of the nearest visible one.

    A network or a resize would otherwise mix hidden colors, often black, into visible edges.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return pixels[rows, columns]
