"""One image through a network."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded import DecodedImage, Format, Metadata
from esrgan_core.io.fitting import check_size, fit_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.tiff_writing import STREAMED, streamed_tiff
from esrgan_core.io.writing import encode, write_image
from pipelines.upscaling.jobs import Job, Output


def upscale_one(upscaler: Upscaler, source: Path | BytesIO, output: Output, name: str) -> bytes:
    """The bytes of a image's result.

    Raises:
        BadImageError: if the image cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
    """
    format_ = output.format_for(name)
    image = _read(upscaler, source, output, format_)
    return encode(fit_to(upscaler(image), format_), format_, output.quality)


def _read(
    upscaler: Upscaler, source: Path | BytesIO, output: Output, format_: Format
) -> DecodedImage:
    """A image whose result fits the format, which its header tells before it is decoded."""
    height, width = upscaler.size_of(*image_size(source))
    check_size(width, height, format_)
    image = read_image(source)
    return replace(image, metadata=Metadata()) if output.strip_metadata else image


def upscale_file(
    upscaler: Upscaler,
    job: Job,
    output: Output,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, ...]:
    """Upscale one file; what had to be changed.

    Raises:
        BadImageError: if the image cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
        OSError: if it cannot be read or written.
    """
    format_ = output.format_for(job.target.name)
    image = _read(upscaler, job.source, output, format_)
    height, width = upscaler.size_of(*image.pixels.shape[:2])
    channels = image.pixels.shape[2] + (image.alpha is not None)
    if format_ == "tif" and height * width * channels * image.pixels.itemsize > STREAMED:
        with streamed_tiff(job.target, image, (height, width)) as canvas:
            upscaler(image, canvas=lambda shape, kind: canvas, on_part=on_part)
        return image.changes
    fitted = fit_to(upscaler(image, on_part=on_part), format_)
    write_image(job.target, fitted, format_, output.quality)
    return fitted.changes
