"""One image through a network."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import Metadata
from esrgan_core.io.formats import check_size, convert_metadata, convert_to
from esrgan_core.io.reading import image_size, read_image
from esrgan_core.io.tiff_writing import STREAMED, streamed_tiff
from esrgan_core.io.writing import write_image
from pipelines.upscaling.jobs import Output


def upscale_file(
    upscaler: Upscaler,
    source: Path | BytesIO,
    target: Path,
    output: Output,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, ...]:
    """Upscale one image into a file.

    Returns:
        What had to be changed to fit the format.

    Raises:
        BadImageError: if the image cannot be used, or the result does not fit its format.
        MemoryError: if it does not fit into memory.
        OSError: if a file cannot be read or written.
    """
    format_ = output.format_for(target.name)
    # the header gives the size, so that an image that does not fit is never decoded
    height, width = upscaler.output_size(*image_size(source))
    check_size(width, height, format_)
    image = read_image(source)
    if output.strip_metadata:
        image = replace(image, metadata=Metadata())
    height, width = upscaler.output_size(*image.pixels.shape[:2])
    channels = image.pixels.shape[2] + (image.alpha is not None)
    if format_ == "tif" and height * width * channels * image.pixels.itemsize > STREAMED:
        image = convert_metadata(image, format_, (height, width))
        with streamed_tiff(target, image, (height, width)) as canvas:
            result = upscaler(image, canvas=lambda shape, kind: canvas, on_part=on_part)
        return result.changes
    fitted = convert_to(upscaler(image, on_part=on_part), format_)
    write_image(target, fitted, format_, output.quality)
    return fitted.changes
