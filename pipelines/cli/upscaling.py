"""`esrgan upscale`: images through a trained network."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.batch import end

if TYPE_CHECKING:
    from esrgan_core.inference.upscaler import UpscaleConfig
    from pipelines.upscaling.jobs import Output


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="images, folders, patterns; - for standard input"),
]
Where = Annotated[
    str,
    typer.Option(
        "--output", "-o", help="a folder, a file for a single image, - for standard output"
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="models:/NAME@ALIAS, models:/NAME/VERSION or weights, published ones too; "
        "else models:/esrgan@champion",
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="of a registered model: 0 is faithful, 1 is crisp; else its own"
    ),
]
Scale = Annotated[float | None, typer.Option(help="of the result; else the network's own")]
FormatName = Annotated[
    str | None, typer.Option("--format", help="png, jpg, webp or tif; else the source's")
]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="of JPEG, else 95, and WebP, else lossless")
]
Tile = Annotated[
    str, typer.Option(help="auto, off, or LR pixels a side; auto looks at the free memory")
]
PrecisionName = Annotated[
    str,
    typer.Option(help="auto, fp32 (exact) or bf16 (fast, off by a level here and there)"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Ensemble = Annotated[
    bool, typer.Option("--ensemble", help="mean over eight flips and turns: eight times as long")
]


def upscale(
    inputs: Inputs,
    output: Where,
    model: ModelName = None,
    alpha: Alpha = None,
    scale: Scale = None,
    format_: FormatName = None,
    quality: Quality = None,
    tile: Tile = "auto",
    precision: PrecisionName = "auto",
    device: Device = "auto",
    ensemble: Ensemble = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="drop EXIF, XMP and the color profile")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="also replace files that were not made here")
    ] = False,
) -> None:
    """Upscale images, each in its own mode and depth, with its metadata.

    What is done is noted in the output folder and skipped the next time, so that an interrupted
    run goes on where it was. A image that cannot be used is named at the end and costs no other;
    the exit code is 1 then.

    Examples: esrgan upscale photo.jpg -o photo-x4.png
              esrgan upscale photographs -o large --alpha 0.5
              esrgan upscale scans/*.tif -o large --model RRDB_ESRGAN_x4.pth --precision fp32
              cat photo.png | esrgan upscale - -o - > large.png
    """
    from pipelines.upscaling.jobs import STANDARD, find_jobs
    from pipelines.upscaling.many import upscale_all, upscale_single
    from pipelines.upscaling.model import load_model
    from pipelines.upscaling.options import parse_config, parse_output

    config = parse_config(device, precision, tile, ensemble=ensemble, scale=scale)
    how = parse_output(format_, quality, strip_metadata=strip_metadata)
    if STANDARD in inputs or output == STANDARD:
        _through_pipes(inputs, output, model, alpha, config, how)
        return
    target = Path(output)
    jobs = find_jobs(inputs, target, how)
    found = load_model(model, alpha)
    factor = scale or found.network.config.scale
    typer.echo(f"{found.words}: {len(jobs)} to upscale x{factor:g}", err=True)
    if jobs[0].target == target:
        outcomes = [upscale_single(found, config, jobs[0], how)]
    else:
        outcomes = list(upscale_all(found, config, jobs, target, how, overwrite=overwrite))
    for one in outcomes:
        if one.state == "done" and one.words:
            typer.echo(f"{one.target}: {one.words}", err=True)
    done, skipped = (sum(one.state == state for one in outcomes) for state in ("done", "skipped"))
    before = f", {skipped} were there already" if skipped else ""
    typer.echo(f"{done} done{before}, in {output}", err=True)
    end(f"{one.source}: {one.words}" for one in outcomes if one.state == "failed")


def _through_pipes(
    inputs: list[str],
    target: str,
    model: str | None,
    alpha: float | None,
    config: "UpscaleConfig",
    how: "Output",
) -> None:
    """One image from standard input or to standard output."""
    from io import BytesIO

    from esrgan_core.files import atomic_path
    from esrgan_core.inference.upscaler import Upscaler
    from esrgan_core.io.rgb import BadImageError
    from esrgan_core.memory import free_memory
    from pipelines.upscaling.jobs import STANDARD, check_format
    from pipelines.upscaling.many import say
    from pipelines.upscaling.model import load_model
    from pipelines.upscaling.one import upscale_one

    if len(inputs) != 1:
        raise ValueError("one image at a time goes through standard input or output")
    found = load_model(model, alpha)
    upscaler = Upscaler(found.network, config, free_memory=free_memory, say=say)
    from_pipe = inputs[0] == STANDARD
    source = BytesIO(sys.stdin.buffer.read()) if from_pipe else Path(inputs[0])
    name = target if target != STANDARD else inputs[0]
    if target != STANDARD:
        check_format(Path(target), how)
    try:
        result = upscale_one(upscaler, source, how, name)
    except BadImageError as error:
        raise ValueError(f"{'standard input' if from_pipe else inputs[0]}: {error}") from error
    if target == STANDARD:
        sys.stdout.buffer.write(result)
        sys.stdout.buffer.flush()
        return
    with atomic_path(Path(target)) as temporary:
        temporary.write_bytes(result)


COMMANDS = (upscale,)
