"""`esrgan info`, `interpolate`, `convert` and `export`: files of weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

import typer


def info(
    file: Annotated[Path, typer.Argument(help="weights, ours or published: .safetensors, .pth")],
) -> None:
    """Say what network a file holds, without running anything that may lie in it."""
    from dataclasses import asdict

    from esrgan_core.models.weights import read_weights

    found = read_weights(file)
    count = sum(tensor.numel() for tensor in found.state.values())
    typer.echo(f"architecture  {type(found.config).__name__.removesuffix('Config')}")
    typer.echo(f"parameters    {count:,}")
    typer.echo(f"scale         x{found.config.scale}")
    wrapper = f", under {found.wrapper!r}" if found.wrapper else ""
    typer.echo(f"layout        {found.layout}{wrapper}")
    for name, value in asdict(found.config).items():
        if name != "scale":
            typer.echo(f"  {name:<18}{value}")
    for name, text in found.lineage.items():
        typer.echo(f"{name:<18}{text}")


def interpolate(
    psnr: Annotated[Path, typer.Argument(help="the PSNR-oriented network, alpha 0")],
    gan: Annotated[Path, typer.Argument(help="the network trained on from it, alpha 1")],
    output: Annotated[Path, typer.Option("--output", "-o", help="a .safetensors file")],
    alpha: Annotated[float, typer.Option(min=0, max=1, help="how much of the second")] = 0.8,
) -> None:
    """Write the network between two that belong together (ESRGAN section 3.4).

    Example: esrgan interpolate RRDB_PSNR_x4.pth RRDB_ESRGAN_x4.pth --alpha 0.8 -o new.safetensors
    """
    from esrgan_core.files import file_sha256
    from esrgan_core.models.weights import interpolate, read_weights, save_weights

    first, second = read_weights(psnr), read_weights(gan)
    try:
        state = interpolate(first.state, second.state, alpha)
    except ValueError as error:
        raise ValueError(f"{psnr} and {gan}: {error}") from error
    lineage = {
        "interpolated": f"{alpha:g}",
        "psnr.sha256": file_sha256(psnr),
        "gan.sha256": file_sha256(gan),
    }
    save_weights(output, state, first.config, lineage)
    typer.echo(f"{output}: alpha {alpha:g}")


def convert(
    source: Annotated[
        str, typer.Argument(help="weights, ours or published, or models:/NAME@ALIAS")
    ],
    output: Annotated[Path, typer.Argument(help=".safetensors or .pth")],
    layout: Annotated[
        str, typer.Option(help="esrgan-pipeline, basicsr, esrgan or esrgan_old")
    ] = "esrgan-pipeline",
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help="of a registered model; else its own")
    ] = None,
) -> None:
    """Write a network's weights as another program wants them, bit for bit.

    `esrgan-pipeline` is our own safetensors with a header that says what network it is.
    Example: esrgan convert artifacts/finetune/generator.safetensors mine.pth --layout basicsr
    """
    from esrgan_core.models.layouts import Layout
    from esrgan_core.models.weights import (
        OURS,
        read_weights,
        save_layout,
        save_weights,
    )
    from pipelines.upscaling.model import load_model

    if source.startswith("models:/"):
        model = load_model(source, alpha)
        state, config = model.network.state_dict(), model.network.config
        lineage: Mapping[str, str] = {"registered": model.description}
    else:
        found = read_weights(Path(source))
        state, config, lineage = dict(found.state), found.config, found.lineage
    if layout == OURS:
        save_weights(output, state, config, lineage)
    elif layout in get_args(Layout):
        save_layout(output, state, layout)  # type: ignore[arg-type]  # just checked
    else:
        raise ValueError(f"no layout {layout!r}; there are {OURS}, {', '.join(get_args(Layout))}")
    typer.echo(f"{output}: {layout}")


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="a .onnx file")],
    model: Annotated[
        str | None,
        typer.Option(help="models:/NAME@ALIAS or weights; else models:/esrgan@champion"),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help="of a registered model; else its own")
    ] = None,
) -> None:
    """Write a network as ONNX for images of every size, and compare it with the original.

    Input `lr` and output `sr`: float32, b x 3 x h x w, RGB in [0, 1]; clip the output. Nothing is
    written unless ONNX Runtime gives the same at three sizes, odd ones among them.
    Example: esrgan export -o champion.onnx --alpha 0.5
    """
    if output.suffix != ".onnx":
        raise ValueError(f"{output}: give it the suffix .onnx; `esrgan convert` writes weights")
    # at once, so that a missing extra is named before the network is loaded
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401

    from esrgan_core.inference.export import export_onnx
    from pipelines.upscaling.model import load_model

    found = load_model(model, alpha)

    def told(size: tuple[int, int], apart: float) -> None:
        typer.echo(f"{size[1]}x{size[0]}  off by at most {apart:.1e}")

    export_onnx(found.network, output, told)
    typer.echo(f"{output}: {found.description}")


COMMANDS = (info, interpolate, convert, export)
