"""Pixels of results as other libraries read them, and as profiles convert them."""

import struct
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from esrgan_core.io.decoded_image import Format
from tests.support.image_matrix import Unit


@cache
def profile(kind: str) -> bytes:
    """An ICC profile that changes colors visibly."""
    if kind == "gray":
        return bytes(imagecodecs.cms_profile("gray", gamma=1.2))
    if kind == "rgb":
        return bytes(imagecodecs.cms_profile("rgb", gamma=1.2))
    # CMYK by a table of 2x2x2x2 colors in Lab
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = b"".join(
        bytes((round(255 * (1 - 0.3 * c - 0.3 * m - 0.1 * y) * (1 - 0.7 * k)),
               round(128 - 60 * c * (1 - k) + 60 * m * (1 - k)), round(128 + 80 * y * (1 - k))))
        for c, m, y, k in corners
    )  # fmt: skip
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (one % 4 == 0) for one in range(9)))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + table + ramp * 3
    texts = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78),
             b"cprt": b"text" + bytes(4) + b"x\0", b"wtpt": b"XYZ " + bytes(4)
             + struct.pack(">3i", 63190, 65536, 54061), b"A2B0": lut}  # fmt: skip
    at, entries, body = 128 + 4 + 12 * len(texts), b"", b""
    for name, content in texts.items():
        entries += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", at + len(body), b"lcms", 0x02100000, b"prtr", b"CMYK", b"Lab "
    )
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(texts)) + entries + body


def differences(
    what: str, found: Unit | None, wanted: Unit | None, tolerance: float, where: Any = ...
) -> Iterator[str]:
    if found is None or wanted is None:
        if (found is None) != (wanted is None):
            yield f"{what} is {'missing' if found is None else 'new'}"
        return
    large = wanted.repeat(2, 0).repeat(2, 1)
    if found.shape != large.shape:
        yield f"{what} is {found.shape} instead of {large.shape}"
        return
    if where is not ...:
        where = where.repeat(2, 0).repeat(2, 1)
    if (error := float(np.abs(found - large)[where].max(initial=0))) > tolerance:
        yield f"{what} differs by {error * 255:.2f} of 255, more than {tolerance * 255:.2f}"


def as_srgb(color: Unit, kind: str, icc: bytes) -> Unit:
    """Gray or CMYK as RGB, by LittleCMS or by the inks."""
    if icc:
        samples = np.floor(color * 255 + 0.5).astype(np.uint8)
        if kind == "gray":
            samples = samples[..., 0]
        srgb = imagecodecs.cms_profile("srgb")
        return imagecodecs.cms_transform(
            np.ascontiguousarray(samples), icc, srgb, colorspace=kind, outcolorspace="rgb",
            outdtype=np.uint8,
        ) / 255  # fmt: skip
    if kind == "gray":
        return color.repeat(3, axis=2)
    return (1 - color[..., :3]) * (1 - color[..., 3:])


def decode(data: bytes, format_: Format) -> tuple[Unit, Unit | None, int]:
    """(color, alpha, bits) as another library reads them."""
    if format_ == "tif":
        with tifffile.TiffFile(BytesIO(data)) as file:
            assert len(file.pages) == 1
            page = file.pages.first
            values, has_alpha = page.asarray(), bool(page.extrasamples)
            assert [int(one) for one in page.extrasamples] in ([], [2])
    else:
        decoders = {"png": imagecodecs.png_decode, "webp": imagecodecs.webp_decode}
        if format_ == "jpg":
            cmyk = Image.open(BytesIO(data)).mode == "CMYK"
            values = imagecodecs.jpeg8_decode(data, outcolorspace="CMYK" if cmyk else None)
            values = 255 - values if cmyk else values
            has_alpha = False
        else:
            values = decoders[format_](data)
            has_alpha = values.ndim == 3 and values.shape[2] in (2, 4)
    white = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    unit = values.reshape(*values.shape[:2], -1) / white
    bits = values.dtype.itemsize * 8
    return (unit[..., :-1], unit[..., -1], bits) if has_alpha else (unit, None, bits)
