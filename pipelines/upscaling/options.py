"""Options of the command line and of the flow, parsed and checked."""

from typing import get_args

from esrgan_core.inference.config import EngineChoice, UpscaleConfig
from esrgan_core.io.decoded_image import FORMATS, SUFFIX_FORMATS
from esrgan_core.precision import PrecisionChoice
from pipelines.config.errors import UserError, as_user_error
from pipelines.upscaling.jobs import Output

TILES = {"auto": None, "off": 0}


def parse_config(
    device: str, precision: str, tile: str, engine: str, *, ensemble: bool, scale: float | None
) -> UpscaleConfig:
    """Parse the options of an upscaler; `tile` is auto, off or a number of LR pixels.

    Raises:
        UserError: if a value is not valid; lists the valid ones.
    """
    if precision not in (known := get_args(PrecisionChoice)):
        raise UserError(f"unknown --precision {precision!r}; choose from {', '.join(known)}")
    if engine not in (engines := get_args(EngineChoice)):
        raise UserError(f"unknown --engine {engine!r}; choose from {', '.join(engines)}")
    if tile not in TILES and not tile.isdigit():
        raise UserError(f"--tile must be auto, off or a number of pixels, got {tile!r}")
    with as_user_error():
        return UpscaleConfig(
            device=device,
            precision=precision,  # type: ignore[arg-type]  # just checked
            tile=TILES[tile] if tile in TILES else int(tile),
            ensemble=ensemble,
            engine=engine,  # type: ignore[arg-type]  # just checked
            scale=scale,
        )


def parse_output(format_: str | None, quality: int | None, *, strip_metadata: bool) -> Output:
    """Parse the options of results; `format_` is a suffix, None for the format of the source.

    Raises:
        UserError: if the format is unknown; lists the valid ones.
    """
    wanted = SUFFIX_FORMATS.get(f".{format_.lower().lstrip('.')}") if format_ is not None else None
    if format_ is not None and wanted is None:
        raise UserError(f"unknown --format {format_!r}; choose from {', '.join(FORMATS)}")
    return Output(format=wanted, quality=quality, strip_metadata=strip_metadata)
