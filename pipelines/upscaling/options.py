"""Options of the command line and of the flow, parsed and checked."""

from typing import get_args

from esrgan_core.devices import PrecisionChoice
from esrgan_core.inference.upscaler import UpscaleConfig
from esrgan_core.io.decoded import FORMATS, SUFFIX_FORMATS
from pipelines.upscaling.jobs import Output


def parse_config(
    device: str, precision: str, tile: str, *, ensemble: bool, scale: float | None
) -> UpscaleConfig:
    """How images are upscaled.

    Args:
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: auto, fp32 or bf16.
        tile: auto, off, or the side of a tile in LR pixels.
        ensemble: whether to average over eight flips and rotations.
        scale: scale of the result; None for the network's own.

    Raises:
        ValueError: if an option has no meaning; lists the valid ones.
    """
    if precision not in (known := get_args(PrecisionChoice)):
        raise ValueError(f"no precision {precision!r}; choose from {', '.join(known)}")
    sides = {"auto": None, "off": 0}
    if tile not in sides and not tile.isdigit():
        raise ValueError(f"--tile must be auto, off or a number of pixels, got {tile!r}")
    return UpscaleConfig(
        device=device,
        precision=precision,  # type: ignore[arg-type]  # just checked
        tile=sides[tile] if tile in sides else int(tile),
        ensemble=ensemble,
        scale=scale,
    )


def parse_output(format_: str | None, quality: int | None, *, strip_metadata: bool) -> Output:
    """How results are written.

    Args:
        format_: png, jpg, webp or tif; None for the format of the source.
        quality: of JPEG and WebP, 1 to 100; None for the default.
        strip_metadata: whether to drop EXIF, XMP and the color profile.

    Raises:
        ValueError: if the format is unknown; lists the valid ones.
    """
    wanted = None
    if format_ is not None:
        wanted = SUFFIX_FORMATS.get(f".{format_.lower().lstrip('.')}")
        if wanted is None:
            raise ValueError(f"no format {format_!r}; choose from {', '.join(FORMATS)}")
    return Output(format=wanted, quality=quality, strip_metadata=strip_metadata)
