"""`esrgan upscale`: images through a trained network."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.errors import exit_if_any

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="images, folders or patterns; - for standard input"),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="weights or models:/NAME@ALIAS; default: models:/esrgan@champion"),
]
Alpha = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="0: faithful, 1: sharp; default: the registered model's"),
]
Scale = Annotated[float | None, typer.Option(help="of the result; default: the network's")]
FormatName = Annotated[
    str | None, typer.Option("--format", help="png, jpg, webp or tif; default: the source's")
]
Quality = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="of JPEG and WebP; default: JPEG 95, WebP lossless"),
]
Tile = Annotated[
    str, typer.Option(help="auto (by the free memory), off, or the side of tiles in LR pixels")
]
PrecisionName = Annotated[
    str, typer.Option(help="auto, fp32 (exact) or bf16 (fast, some values differ by 1 of 255)")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, xpu, vulkan or vulkan:1")]
Engine = Annotated[
    str, typer.Option(help="auto (the faster one in fp32), torch or ncnn (CPU, fp32)")
]
Ensemble = Annotated[
    bool,
    typer.Option("--ensemble", help="average over 8 flips and rotations: takes 8 times as long"),
]


def upscale(
    inputs: Inputs,
    output: Annotated[
        str, typer.Option("--output", "-o", help="a folder, a file, or - for standard output")
    ],
    model: ModelName = None,
    alpha: Alpha = None,
    scale: Scale = None,
    format_: FormatName = None,
    quality: Quality = None,
    tile: Tile = "auto",
    precision: PrecisionName = "auto",
    device: Device = "auto",
    engine: Engine = "auto",
    ensemble: Ensemble = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="drop all metadata and the color profile")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace existing files")] = False,
) -> None:
    """Upscale images and keep their mode, bit depth and metadata.

    Finished images are recorded in the output folder and skipped in the next run, so that an
    interrupted run can be repeated; other files are not replaced without --overwrite. Images that
    fail are listed at the end, and the exit code is 1.

    Example: esrgan upscale photographs -o large --alpha 0.5
    """
    from pipelines.upscaling.jobs import find_jobs
    from pipelines.upscaling.many import upscale_jobs
    from pipelines.upscaling.model import load_model
    from pipelines.upscaling.options import parse_config, parse_output

    config = parse_config(device, precision, tile, engine, ensemble=ensemble, scale=scale)
    options = parse_output(format_, quality, strip_metadata=strip_metadata)
    jobs = find_jobs(inputs, Path(output), options)
    found = load_model(model, alpha)
    factor = scale or found.network.config.scale
    typer.echo(f"{found.description}: {len(jobs)} to upscale x{factor:g}", err=True)
    outcomes = list(upscale_jobs(found, config, jobs, Path(output), options, overwrite=overwrite))
    for outcome in outcomes:
        if outcome.state == "done" and outcome.message:
            typer.echo(f"{outcome.target}: {outcome.message}", err=True)
    states = [outcome.state for outcome in outcomes]
    done, skipped = states.count("done"), states.count("skipped")
    typer.echo(f"{done} done, {skipped} skipped (done before), in {output}", err=True)
    exit_if_any(f"{one.source}: {one.message}" for one in outcomes if one.state == "failed")
