"""`esrgan doctor` and `esrgan plan`: what is wrong here, and what some work will take."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.cli.upscaling import (
    Alpha,
    Device,
    Ensemble,
    FormatName,
    Inputs,
    ModelName,
    PrecisionName,
    Quality,
    Scale,
    Tile,
)

plan = typer.Typer(help="Tell time, disk and memory of some work from a short piece of it.")


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON; nothing secret is in it")
    ] = False,
) -> None:
    """Look at versions, devices, memory, disks, MLflow, S3, DVC and telemetry; name remedies.

    Nothing is changed. Exit code 1 if there is a fault; a remark is none.
    """
    from esrgan_core.strict_json import to_json
    from pipelines.ops.doctor.examination import examine

    findings = []
    for one in examine():
        findings.append(one)
        if not as_json:
            mark = {"well": "  ", "remark": "? ", "fault": "! "}[one.state]
            typer.echo(f"{mark}{one.what}: {one.words}")
            if one.remedy:
                typer.echo(f"    {one.remedy}")
    if as_json:
        typer.echo(to_json([asdict(one) for one in findings], indent=2))
    if any(one.state == "fault" for one in findings):
        raise typer.Exit(code=1)


@plan.command()
def train(
    stages: Annotated[
        list[str] | None, typer.Argument(help="pretrain, finetune; both if none is named")
    ] = None,
) -> None:
    """Train for a moment by params.yaml, apart from everything, and tell what all of it takes.

    Takes up to two minutes a stage, and needs the pairs: `dvc repro bicubic`.
    """
    from pipelines.ops.estimates.training import TRAININGS, plan_training

    wanted = stages or list(TRAININGS)
    if unknown := set(wanted) - set(TRAININGS):
        raise ValueError(f"no training {', '.join(sorted(unknown))}; there are {TRAININGS}")
    for stage in wanted:
        typer.echo(str(plan_training(stage)))


@plan.command()
def upscale(
    inputs: Inputs,
    model: ModelName = None,
    alpha: Alpha = None,
    scale: Scale = None,
    format_: FormatName = None,
    quality: Quality = None,
    tile: Tile = "auto",
    precision: PrecisionName = "auto",
    device: Device = "auto",
    ensemble: Ensemble = False,
) -> None:
    """Upscale a few of the images, write nothing, and tell what all of them take.

    Example: esrgan plan upscale photographs --precision fp32
    """
    from pathlib import Path

    import psutil

    from pipelines.ops.estimates.upscaling import plan_upscaling
    from pipelines.upscaling.jobs import find_jobs
    from pipelines.upscaling.model import load_model
    from pipelines.upscaling.options import parse_config, parse_output

    config = parse_config(device, precision, tile, ensemble=ensemble, scale=scale)
    how = parse_output(format_, quality, strip_metadata=False)
    jobs = find_jobs(inputs, Path("nowhere"), how)
    began = psutil.Process().create_time()
    typer.echo(str(plan_upscaling(load_model(model, alpha), config, jobs, how, began)))


COMMANDS = (doctor,)
