"""`esrgan doctor` and `esrgan plan`: problems of the installation, and estimates of work."""

from typing import Annotated

import typer

from pipelines.cli import upscaling

plan = typer.Typer(help="Estimate time, disk space and memory of work from a short part of it.")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Check packages, devices, memory, disks, MLflow, S3, DVC and telemetry; print remedies.

    Changes nothing and prints no credentials. The exit code is 1 if there is an error.

    Example: esrgan doctor --json
    """
    from dataclasses import asdict

    from esrgan_core.strict_json import to_json
    from pipelines.ops.doctor.checks import run_checks

    findings = []
    for finding in run_checks():
        findings.append(finding)
        if not as_json:
            typer.echo(f"{finding.level:<8}{finding.subject}: {finding.message}")
            if finding.remedy:
                typer.echo(f"        {finding.remedy}")
    if as_json:
        typer.echo(to_json([asdict(finding) for finding in findings], indent=2))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(code=1)


@plan.command()
def train(
    stages: Annotated[list[str] | None, typer.Argument(help="pretrain, finetune")] = None,
) -> None:
    """Estimate both trainings of params.yaml, or one, from a trial of some steps.

    Takes up to two minutes for each stage, and needs the pairs: `dvc repro bicubic`.

    Example: esrgan plan train pretrain
    """
    from pipelines.ops.estimates.training import TRAININGS, estimate_trainings

    for estimate in estimate_trainings(stages or TRAININGS):
        typer.echo(estimate)


@plan.command()
def upscale(
    inputs: upscaling.Inputs,
    model: upscaling.ModelName = None,
    scale: upscaling.Scale = None,
    format_: upscaling.FormatName = None,
    quality: upscaling.Quality = None,
    tile: upscaling.Tile = "auto",
    precision: upscaling.PrecisionName = "auto",
    device: upscaling.Device = "auto",
    engine: upscaling.Engine = "auto",
    ensemble: upscaling.Ensemble = False,
) -> None:
    """Estimate `esrgan upscale` from a trial of some of the images. Nothing is written.

    Example: esrgan plan upscale photographs --precision fp32
    """
    from pathlib import Path

    from pipelines.ops.estimates.upscaling import estimate_upscaling
    from pipelines.upscaling.jobs import find_jobs
    from pipelines.upscaling.model import load_model
    from pipelines.upscaling.options import parse_config, parse_output

    config = parse_config(device, precision, tile, engine, ensemble=ensemble, scale=scale)
    output = parse_output(format_, quality, strip_metadata=False)
    jobs = find_jobs(inputs, Path("nowhere"), output)
    typer.echo(estimate_upscaling(load_model(model, alpha=None), config, jobs, output))
