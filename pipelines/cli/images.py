"""`esrgan lr`, `evaluate`, `compare` and `figures`: images, and the results of networks."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.errors import exit_if_any

Modcrop = Annotated[int, typer.Option(help="crop HR to a multiple of this; 0 for the scale")]


def lr(
    source: Annotated[Path, typer.Argument(help="an HR image, or a folder of HR images")],
    output: Annotated[Path, typer.Argument(help="a PNG file, or a folder for PNG files")],
    scale: Annotated[int, typer.Option(help="how many times smaller")] = 4,
    convention: Annotated[
        str, typer.Option(help="double, per_pass_uint8 or per_pass_uint8_replicate")
    ] = "double",
    modcrop: Modcrop = 0,
) -> None:
    """Make low-resolution images exactly as MATLAB's imresize does.

    The ESRGAN authors used `double`; EDSR's benchmark sets were made with `per_pass_uint8`, those
    of SelfExSR with `per_pass_uint8_replicate`. Folders keep their tree and names.

    Example: esrgan lr DIV2K/HR DIV2K/LRbicx4 --scale 4
    """
    from pipelines.data.lr_folder import downscale_folder

    exit_if_any(downscale_folder(source, output, scale, modcrop or scale, convention))


def evaluate(
    hr: Annotated[Path, typer.Option(help="a folder of HR images, or one image")],
    lr: Annotated[Path | None, typer.Option(help="LR images; default: made from HR")] = None,
    sr: Annotated[Path | None, typer.Option(help="results, instead of a model")] = None,
    model: Annotated[str, typer.Option(help="a weights file, or bicubic")] = "",
    metrics: Annotated[str, typer.Option(help="separated by commas")] = "psnr_y,ssim_y,niqe",
    scale: Annotated[int, typer.Option(help="of bicubic and --sr")] = 4,
    modcrop: Modcrop = 0,
    border: Annotated[int | None, typer.Option(help="ignored pixels; default: scale")] = None,
    weights: Annotated[list[str] | None, typer.Option(help="NAME=FILE, for lpips")] = None,
    ma_scores: Annotated[Path | None, typer.Option(help="CSV file with columns name, ma")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure a model, or finished results, on one test set.

    Images are matched by name without suffix. All metrics except LPIPS ignore a border. An unknown
    metric lists all; lpips takes the weights alexnet, vgg16, lpips_alex and lpips_vgg. The
    perceptual index (pi) needs the scores of Ma's model, which is not freely available: without
    --ma-scores it is absent.

    Example: esrgan evaluate --hr Set5/HR --lr Set5/LRbicx4 --model generator.safetensors
    """
    from esrgan_core.strict_json import to_json
    from pipelines.evaluation.folder_scores import score_folder

    table, failures = score_folder(
        hr, lr=lr, sr=sr, model=model, metrics=metrics.split(","), weights=weights or [],
        scale=scale, modcrop=modcrop, border=border, ma_scores=ma_scores,
    )  # fmt: skip
    if as_json:
        images = [{"name": name, **row} for name, row in table.to_dict("index").items()]
        content = {"model": model or str(sr), "mean": table.mean().to_dict(), "images": images}
        typer.echo(to_json(content, indent=2))
    elif len(table):
        table.loc["mean"] = table.mean()
        typer.echo(table.to_string(float_format=lambda value: f"{value:.4f}"))
    exit_if_any(failures)


def compare(
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="NAME=HR or NAME=HR,LR; may be repeated; default: the pair store's test images",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a .md file")] = None,
) -> None:
    """Measure all networks that were trained here, next to the figures of papers.

    These are bicubic, the trained baselines and the pipeline's networks at every alpha.

    Example: esrgan compare --set Set5=Set5/HR,Set5/LRbicx4 --set Set14=Set14/HR
    """
    from esrgan_core.files import write_text
    from pipelines.ops.paper import compare_methods

    text = compare_methods(sets or [])
    typer.echo(text)
    if output:
        write_text(output, text + "\n")


def figures(
    output: Annotated[Path, typer.Option("--output", "-o", help="a folder")] = Path("figures"),
) -> None:
    """Draw figures for a paper: crops of the test images, curves, perception against distortion.

    They show the pipeline's networks and the trained baselines, each as PDF and PNG.

    Example: esrgan figures -o figures
    """
    from pipelines.ops.paper import draw_figures

    names = list(draw_figures(output))
    typer.echo(f"{len(names)} figures in {output}: {', '.join(names)}")
