"""Color beneath what is transparent."""

from scipy.ndimage import distance_transform_edt

from esrgan_core.io.decoded_image import Array, Plane


def fill_transparent(pixels: Array, alpha: Plane) -> Array:
    """Pixels with the nearest visible color wherever alpha is 0, so that no hidden one bleeds out.

    A network or a resize looks beyond the edge of what is visible; what is hidden there is often
    black.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return pixels[rows, columns]
