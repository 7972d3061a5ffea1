"""Images of the matrix in the less usual formats, and files that are refused."""

import struct
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from tests.support.image_matrix import (
    HEIGHT,
    WIDTH,
    Sample,
    fractions,
    levels,
    opacity,
    palette,
    ramps,
    with_alpha,
)

RGB = levels(ramps(3), 8).astype(np.uint8)
GRAY = levels(ramps(1), 8).astype(np.uint8)
RGBA = with_alpha(RGB, levels(opacity(), 8).astype(np.uint8))


def gif(*, transparent: bool) -> Sample:
    colors, _, indices = palette(256)
    data = bytes(imagecodecs.gif_encode(indices, colormap=colors))
    clear = indices[HEIGHT // 2, WIDTH // 2]
    if transparent:
        # a graphic control extension after the color table
        control = b"!\xf9\4" + struct.pack("<BHBB", 1, 0, clear, 0)
        data = b"GIF89a" + data[6:781] + control + data[781:]
    return Sample(
        data=data,
        format="gif",
        color=colors[indices] / 255,
        alpha=1.0 - (indices == clear) if transparent else None,
        reported=("palette became RGB",),
        hard=True,
    )


def indexed_bmp(bits: int) -> Sample:
    colors, _, indices = palette(2**bits)
    shifts = 8 // bits
    width = -(-WIDTH * bits // 32) * 4
    packed = np.zeros((HEIGHT, width * shifts), np.uint8)
    packed[:, :WIDTH] = indices
    rows = sum(
        packed[:, one::shifts].astype(int) << (8 - bits * (one + 1)) for one in range(shifts)
    )
    table = np.concatenate([colors[:, ::-1], np.zeros((2**bits, 1), np.uint8)], axis=1).tobytes()
    pixels = np.asarray(rows, np.uint8)[::-1].tobytes()
    return Sample(
        data=bmp_header(bits, 0, len(table), len(pixels), 2**bits) + table + pixels,
        format="bmp",
        color=colors[indices] / 255,
        reported=("palette became RGB",),
        hard=True,
    )


def bmp_header(bits: int, compression: int, table: int, length: int, colors: int = 0) -> bytes:
    return struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 54 + table + length, 0, 54 + table, 40, WIDTH, HEIGHT, 1, bits,
        compression, length, 0, 0, colors, 0,
    )  # fmt: skip


def bmp_555() -> Sample:
    samples = levels(ramps(3), 5)
    packed = samples[..., 0] << 10 | samples[..., 1] << 5 | samples[..., 2]
    rows = np.pad(packed, ((0, 0), (0, WIDTH % 2))).astype("<u2")[::-1].tobytes()
    return Sample(
        data=bmp_header(16, 0, 0, len(rows)) + rows,
        format="bmp",
        color=fractions(samples, 5),
        tolerance=1 / 255,
        reported=("5 bits became 8",),
    )


def other(data: bytes | bytearray, color: np.ndarray, **options: Any) -> Sample:
    return Sample(data=bytes(data), format="other", color=color, **options)


def pnm(kind: str, top: int) -> Sample:
    """PGM or PPM, binary."""
    color = np.floor(ramps(1 if kind == "P5" else 3) * top + 0.5)
    head = f"{kind}\n{WIDTH} {HEIGHT}\n{top}\n".encode()
    samples = color.astype(">u2" if top > 255 else "u1")
    return other(
        head + samples.tobytes(), color / top, depth=16 if top > 255 else 8,
        reported=("12 bits became 16",) * (top == 4095),
    )  # fmt: skip


def pbm() -> Sample:
    black = (ramps(1)[..., 0] < 0.5).astype(np.uint8)
    data = f"P4\n{WIDTH} {HEIGHT}\n".encode() + np.packbits(black, axis=1).tobytes()
    return other(data, 1.0 - black[..., None], reported=("1 bit became 8",), hard=True)


def pfm() -> Sample:
    values = ramps(1).astype("<f4")
    data = f"Pf\n{WIDTH} {HEIGHT}\n-1.0\n".encode() + values[::-1].tobytes()
    return other(data, values.astype(float), depth=32, tolerance=1e-7)


def tga(samples: np.ndarray) -> Sample:
    """Gray, RGB or RGBA from the top."""
    channels = samples.shape[2]
    head = struct.pack(
        "<BBBHHBHHHHBB", 0, 0, 3 if channels == 1 else 2, 0, 0, 0, 0, 0, WIDTH, HEIGHT,
        8 * channels, 0x20 | 8 * (channels == 4),
    )  # fmt: skip
    stored = samples if channels == 1 else samples[..., [2, 1, 0, 3][:channels]]
    color = samples[..., :3] if channels == 4 else samples
    alpha = samples[..., 3] / 255 if channels == 4 else None
    return other(head + stored.tobytes(), color / 255, alpha=alpha)


def jp2(channels: int, bits: int) -> Sample:
    samples = levels(ramps(min(channels, 3)), bits)
    if channels == 4:
        samples = with_alpha(samples, levels(opacity(), bits))
    data = bytes(imagecodecs.jpeg2k_encode(
        samples.astype(np.uint8 if bits == 8 else np.uint16).squeeze(),
        reversible=True, level=0, bitspersample=bits, codecformat="jp2",
    ))  # fmt: skip
    # without the comment of the encoder, which would be a tag
    start = data.index(b"\xff\x64\0")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    box = data.index(b"jp2c") - 4
    size = struct.unpack(">I", data[box : box + 4])[0]
    size = struct.pack(">I", size - 2 - length if size else 0)
    data = data[:box] + size + data[box + 4 : start] + data[start + 2 + length :]
    unit = fractions(samples, bits)
    return Sample(
        data=data, format="jp2", color=unit[..., :3], alpha=unit[..., 3] if channels == 4 else None,
        depth=8 if bits == 8 else 16, reported=(f"{bits} bits became",) * (bits not in (8, 16)),
    )  # fmt: skip


def avif(*, alpha: bool, bits: int) -> Sample:
    samples = levels(ramps(3), bits)
    if alpha:
        samples = with_alpha(samples, levels(opacity(), bits))
    data = imagecodecs.avif_encode(
        samples.astype(np.uint8 if bits == 8 else np.uint16), level=95, speed=10,
        pixelformat="444", bitspersample=bits,
    )  # fmt: skip
    unit = fractions(imagecodecs.avif_decode(data), bits)
    return Sample(
        data=bytes(data), format="other" if bits > 8 else "avif", color=unit[..., :3],
        alpha=unit[..., 3] if alpha else None, tolerance=4 / 255,
        depth=8 if bits == 8 else 16, reported=(f"{bits} bits became",) * (bits not in (8, 16)),
    )  # fmt: skip


def refused(data: bytes | bytearray, pattern: str) -> Sample:
    return Sample(data=bytes(data), format="other", refused=pattern)


def frames(format_: str) -> Sample:
    """An animation, or a TIFF of two images."""
    buffer = BytesIO()
    images = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    images[0].save(buffer, format=format_, save_all=True, append_images=images[1:])
    return refused(buffer.getvalue(), "2 images in one file")


def tiff_of(samples: np.ndarray, **options: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, samples, metadata=None, **options)
    return buffer.getvalue()


def bmp(kind: str) -> Sample:
    """Gray as a palette, RGB or RGBA."""
    samples = {"gray": GRAY[..., 0], "rgb": RGB, "rgba": RGBA}[kind]
    return Sample(
        data=bytes(imagecodecs.bmp_encode(samples)),
        format="bmp",
        color=(GRAY if kind == "gray" else RGB) / 255,
        alpha=RGBA[..., 3] / 255 if kind == "rgba" else None,
    )


def refused_tiffs() -> dict[str, Sample]:
    """TIFFs that are valid, but of no use here, by name."""
    rgb = {"photometric": "rgb"}
    return {
        "32 bits": refused(tiff_of(RGB.astype(np.uint32), **rgb), "bits as uint32; convert"),
        "signed": refused(tiff_of(RGB.astype(np.int16), **rgb), "bits as int16; convert"),
        "CIELAB": refused(tiff_of(RGB, photometric="cielab"), "convert it to RGB"),
        "YCbCr of 16 bits": refused(tiff_of(RGB.astype("u2"), photometric="ycbcr"), "convert"),
        "not finite": refused(tiff_of(np.full((9, 9), np.nan, "f4")), "not finite"),
        "half": refused(tiff_of(RGB, **rgb)[:600], "damaged"),
    }
