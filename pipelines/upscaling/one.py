"""One picture through a network."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.fitting import fit_to, insist_on_size
from esrgan_core.io.picture import Format, Metadata, Picture
from esrgan_core.io.reading import picture_size, read_picture
from esrgan_core.io.tiff_writing import STREAMED, streamed_tiff
from esrgan_core.io.writing import encode, write_picture
from pipelines.upscaling.jobs import Job, Output


def upscale_one(upscaler: Upscaler, source: Path | BytesIO, output: Output, name: str) -> bytes:
    """The bytes of a picture's result.

    Raises:
        BadImageError: if the picture cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
    """
    format_ = output.format_for(name)
    picture = _read(upscaler, source, output, format_)
    return encode(fit_to(upscaler(picture), format_), format_, output.quality)


def _read(upscaler: Upscaler, source: Path | BytesIO, output: Output, format_: Format) -> Picture:
    """A picture whose result fits the format, which its header tells before it is decoded."""
    height, width = upscaler.size_of(*picture_size(source))
    insist_on_size(width, height, format_)
    picture = read_picture(source)
    return replace(picture, metadata=Metadata()) if output.strip_metadata else picture


def upscale_file(
    upscaler: Upscaler,
    job: Job,
    output: Output,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, ...]:
    """Upscale one file; what had to be changed.

    Raises:
        BadImageError: if the picture cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
        OSError: if it cannot be read or written.
    """
    format_ = output.format_for(job.target.name)
    picture = _read(upscaler, job.source, output, format_)
    height, width = upscaler.size_of(*picture.pixels.shape[:2])
    channels = picture.pixels.shape[2] + (picture.alpha is not None)
    if format_ == "tif" and height * width * channels * picture.pixels.itemsize > STREAMED:
        with streamed_tiff(job.target, picture, (height, width)) as canvas:
            upscaler(picture, canvas=lambda shape, kind: canvas, on_part=on_part)
        return picture.changes
    fitted = fit_to(upscaler(picture, on_part=on_part), format_)
    write_picture(job.target, fitted, format_, output.quality)
    return fitted.changes
