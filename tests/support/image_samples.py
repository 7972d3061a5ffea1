"""All samples of the matrix, by format and name."""

from collections.abc import Callable
from functools import partial

import imagecodecs

from tests.support.image_makers import (
    GRAY,
    RGB,
    RGBA,
    avif,
    bmp,
    bmp_555,
    frames,
    gif,
    indexed_bmp,
    jp2,
    pbm,
    pfm,
    pnm,
    refused,
    refused_tiffs,
    tga,
)
from tests.support.image_matrix import (
    Sample,
    indexed_png,
    indexed_tiff,
    jpeg,
    jpeg_tiff,
    levels,
    odd_tiff,
    png,
    ramps,
    tiff,
    webp,
)

Make = Callable[[], Sample]
PNG: dict[str, Make] = {}
for bits in (1, 2, 4, 8, 16):
    PNG[f"gray {bits}"] = partial(png, "gray", bits)
    PNG[f"gray {bits}, a transparent level"] = partial(png, "gray", bits, key=True)
for bits in (1, 2, 4, 8):
    PNG[f"palette {bits}"] = partial(indexed_png, bits, transparent=False)
    PNG[f"palette {bits} with alpha"] = partial(indexed_png, bits, transparent=True)
for bits in (8, 16):
    PNG[f"gray {bits} with alpha"] = partial(png, "gray", bits, alpha=True)
    PNG[f"rgb {bits}"] = partial(png, "rgb", bits)
    PNG[f"rgb {bits}, a transparent color"] = partial(png, "rgb", bits, key=True)
    PNG[f"rgb {bits} with alpha"] = partial(png, "rgb", bits, alpha=True)
JPEG: dict[str, Make] = {
    "gray": partial(jpeg, "gray"),
    "ycbcr": partial(jpeg, "rgb"),
    "rgb": partial(jpeg, "rgb", colorspace="RGB", outcolorspace="RGB"),
    "cmyk": partial(jpeg, "cmyk", colorspace="CMYK", outcolorspace="CMYK"),
    "ycck": partial(jpeg, "cmyk", colorspace="CMYK", outcolorspace="YCCK"),
}
WEBP: dict[str, Make] = {
    "lossless": partial(webp, alpha=False, level=None),
    "lossless with alpha": partial(webp, alpha=True, level=None),
    "lossy": partial(webp, alpha=False, level=90),
    "lossy with alpha": partial(webp, alpha=True, level=90),
}
TIFF: dict[str, Make] = {
    "gray f2": partial(tiff, "gray", "f2"),
    "rgb f8": partial(tiff, "rgb", "f8"),
    "rgb f4 beyond white": partial(tiff, "rgb", "f4", peak=3.0),
    "white is 0, u1": partial(tiff, "gray", "u1", photometric="miniswhite"),
    "white is 0, u2": partial(tiff, "gray", "u2", photometric="miniswhite"),
    "big endian u2": partial(tiff, "rgb", "u2", byteorder=">"),
    "big endian 12 bits": partial(odd_tiff, "rgb", 12, order=">"),
    "planar u1": partial(tiff, "rgb", "u1", planarconfig="separate"),
    "planar u2": partial(tiff, "rgb", "u2", planarconfig="separate"),
    "planar 12 bits": partial(odd_tiff, "rgb", 12, planar=True),
    "lzw and predictor": partial(tiff, "rgb", "u2", compression="lzw", predictor=True),
    "tiles": partial(tiff, "rgb", "u2", tile=(16, 16)),
    "BigTIFF": partial(tiff, "rgb", "u2", bigtiff=True),
    "palette": indexed_tiff,
    "jpeg": jpeg_tiff,
}
for kind in ("gray", "rgb", "cmyk"):
    for dtype in ("u1", "u2", "f4"):
        TIFF[f"{kind} {dtype}"] = partial(tiff, kind, dtype)
        for extra in ("unassalpha", "assocalpha", "unspecified"):
            TIFF[f"{kind} {dtype} {extra}"] = partial(tiff, kind, dtype, extra=extra)
    for bits in (*range(9, 16), 4, 2, 1):
        TIFF[f"{kind} {bits} bits"] = partial(odd_tiff, kind, bits)
BMP: dict[str, Make] = {
    **{kind: partial(bmp, kind) for kind in ("gray", "rgb", "rgba")},
    **{f"palette {bits}": partial(indexed_bmp, bits) for bits in (1, 4, 8)},
    "5 bits a color": bmp_555,
}
GIF: dict[str, Make] = {
    "opaque": partial(gif, transparent=False),
    "transparent": partial(gif, transparent=True),
}
OTHER: dict[str, Make] = {
    "PGM": partial(pnm, "P5", 255),
    "PGM 16": partial(pnm, "P5", 65535),
    "PGM 12": partial(pnm, "P5", 4095),
    "PPM": partial(pnm, "P6", 255),
    "PBM": pbm,
    "PFM": pfm,
    "TGA gray": partial(tga, GRAY),
    "TGA rgb": partial(tga, RGB),
    "TGA rgba": partial(tga, RGBA),
    "JPEG 2000 gray": partial(jp2, 1, 8),
    "JPEG 2000 gray 16": partial(jp2, 1, 16),
    "JPEG 2000 rgb": partial(jp2, 3, 8),
    "JPEG 2000 rgb 12": partial(jp2, 3, 12),
    "JPEG 2000 rgb 16": partial(jp2, 3, 16),
    "JPEG 2000 rgba": partial(jp2, 4, 8),
    "AVIF": partial(avif, alpha=False, bits=8),
    "AVIF with alpha": partial(avif, alpha=True, bits=8),
    "AVIF 10": partial(avif, alpha=False, bits=10),
}
SAMPLES: dict[str, Make] = {
    f"{format_}: {name}": make
    for format_, makes in {
        "PNG": PNG, "JPEG": JPEG, "WebP": WEBP, "TIFF": TIFF, "BMP": BMP, "GIF": GIF,
        "other": OTHER,
    }.items()
    for name, make in makes.items()
}  # fmt: skip


def refusals() -> dict[str, Sample]:
    """Files that cannot be read, by name."""
    two = {f"{one} of two images": frames(one) for one in ("GIF", "PNG", "WEBP", "TIFF")}
    tiffs = {f"TIFF: {name}": sample for name, sample in refused_tiffs().items()}
    deep = imagecodecs.jpeg8_encode(levels(ramps(3), 12), level=95, bitspersample=12)
    unknown = "not an image that Pillow can read"
    return {
        **two,
        **tiffs,
        "PPM of 16 bits": refused(pnm("P6", 65535).data, "16-bit color in PPM; save it as"),
        "JPEG of 12 bits": refused(deep, "."),
        "JPEG XL": refused(imagecodecs.jpegxl_encode(RGB), unknown),
        "text": refused(b"no image at all", unknown),
        "half a PNG": refused(imagecodecs.png_encode(RGB)[:150], "damaged"),
        "half a JPEG": refused(imagecodecs.jpeg8_encode(RGB)[:500], "damaged"),
    }
