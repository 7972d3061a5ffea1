"""`esrgan info`, `interpolate`, `convert` and `export`: files of weights."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from pipelines.cli.upscaling import Alpha, ModelName


def info(
    file: Annotated[Path, typer.Argument(help="a weights file: .safetensors or .pth")],
) -> None:
    """Print which network a file contains, without executing code that may be in it.

    Example: esrgan info RRDB_ESRGAN_x4.pth
    """
    from dataclasses import asdict

    from esrgan_core.models.reading import read_weights
    from pipelines.config.errors import as_user_error

    with as_user_error():
        found = read_weights(file)
    wrapper = f", under {found.wrapper!r}" if found.wrapper else ""
    rows = {
        "architecture": type(found.config).__name__.removesuffix("Config"),
        "parameters": f"{sum(array.size for array in found.state.values()):,}",
        "scale": f"x{found.config.scale}",
        "layout": f"{found.layout}{wrapper}",
        **{
            f"  {key}": value
            for key, value in asdict(found.config).items()
            if key != "scale" and value is not None
        },
        **found.lineage,
    }
    for name, value in rows.items():
        typer.echo(f"{name:<20}{value}")


def interpolate(
    psnr: Annotated[Path, typer.Argument(help="the PSNR-oriented network, alpha 0")],
    gan: Annotated[Path, typer.Argument(help="the network fine-tuned from it, alpha 1")],
    output: Annotated[Path, typer.Option("--output", "-o", help="a .safetensors file")],
    alpha: Annotated[float, typer.Option(min=0, max=1, help="the share of the second")] = 0.8,
) -> None:
    """Write the network between two related networks (ESRGAN, section 3.4).

    Example: esrgan interpolate RRDB_PSNR_x4.pth RRDB_ESRGAN_x4.pth --alpha 0.8 -o new.safetensors
    """
    from esrgan_core.files import file_sha256
    from esrgan_core.models.build import to_tensors
    from esrgan_core.models.reading import read_weights
    from esrgan_core.models.weights import interpolate, save_weights
    from pipelines.config.errors import UserError, as_user_error

    with as_user_error():
        first, second = read_weights(psnr), read_weights(gan)
    try:
        state = interpolate(to_tensors(first.state), to_tensors(second.state), alpha)
    except ValueError as error:
        raise UserError(f"{psnr} and {gan}: {error}") from error
    hashes = {"psnr.sha256": file_sha256(psnr), "gan.sha256": file_sha256(gan)}
    save_weights(output, state, first.config, {"interpolated": f"{alpha:g}", **hashes})
    typer.echo(f"{output}: alpha {alpha:g}")


def convert(
    source: Annotated[str, typer.Argument(help="a weights file, or models:/NAME@ALIAS")],
    output: Annotated[Path, typer.Argument(help="a .safetensors or .pth file")],
    layout: Annotated[
        str, typer.Option(help="esrgan-pipeline, basicsr, esrgan or esrgan_old")
    ] = "esrgan-pipeline",
    alpha: Alpha = None,
) -> None:
    """Write the weights of a network in the layout of another program, bit for bit.

    `esrgan-pipeline` is our own: a .safetensors file whose header describes the network.

    Example: esrgan convert artifacts/finetune/generator.safetensors mine.pth --layout basicsr
    """
    from esrgan_core.models.build import to_tensors
    from esrgan_core.models.layouts import Layout
    from esrgan_core.models.reading import OURS, read_weights
    from esrgan_core.models.weights import save_layout, save_weights
    from pipelines.config.errors import UserError, as_user_error
    from pipelines.upscaling.model import load_model

    layouts = (OURS, *get_args(Layout))
    if layout not in layouts:
        raise UserError(f"no layout {layout!r}; choose from {', '.join(layouts)}")
    if source.startswith("models:/"):
        model = load_model(source, alpha)
        arrays, config = model.network.arrays, model.network.config
        lineage = {"registered": model.description}
    else:
        with as_user_error():
            found = read_weights(Path(source))
        arrays, config, lineage = found.state, found.config, dict(found.lineage)
    state = to_tensors(arrays)
    with as_user_error():
        if layout == OURS:
            save_weights(output, state, config, lineage)
        else:
            save_layout(output, state, layout)  # type: ignore[arg-type]  # just checked
    typer.echo(f"{output}: {layout}")


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="a .onnx file")],
    model: ModelName = None,
    alpha: Alpha = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="weights in fp16: half as large")] = False,
) -> None:
    """Write a network as ONNX, for images of any size.

    Input `lr` and output `sr`: float32, batch x 3 x height x width, RGB in [0, 1]; clip the output.
    The file is only written if ONNX Runtime computes the same as the network at three sizes, with
    --fp16 up to one level of 255.

    Example: esrgan export -o champion.onnx --alpha 0.5
    """
    # first, so that a missing extra is named before the network is loaded
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401

    from esrgan_core.inference.export import export_onnx
    from pipelines.config.errors import UserError, as_user_error
    from pipelines.upscaling.model import load_model

    if output.suffix != ".onnx":
        raise UserError(f"{output}: give it the suffix .onnx; `esrgan convert` writes weights")
    found = load_model(model, alpha)

    def report(size: tuple[int, int], difference: float) -> None:
        typer.echo(f"{size[1]}x{size[0]}  differs by at most {difference:.1e}")

    with as_user_error():
        export_onnx(found.network.build(), output, report, fp16=fp16)
    typer.echo(f"{output}: {found.description}")
