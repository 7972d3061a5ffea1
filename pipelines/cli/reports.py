"""`esrgan compare` and `esrgan figures`: all trained networks, on any images and for papers."""

from pathlib import Path
from typing import Annotated

import typer


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
