"""The command line: `esrgan`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.params import ParamsError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, measure and publish super-resolution networks.\n\n"
    "The pipeline itself is DVC's: `dvc repro` runs it, `dvc metrics show` prints its figures.",
)


@app.callback()
def _root() -> None:
    """Keep subcommands by name even while there is only one."""


@app.command()
def evaluate(
    hr: Annotated[Path, typer.Option(help="folder of HR pictures", exists=True, file_okay=False)],
    lr: Annotated[Path, typer.Option(help="folder of LR pictures of the same names", exists=True)],
    model: Annotated[str, typer.Option(help="a .safetensors generator, or: bicubic")],
    metrics: Annotated[str, typer.Option(help="by name, with commas")] = "psnr_y,ssim_y,niqe",
    scale: Annotated[int, typer.Option(help="for bicubic; a generator knows its own")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure a model on a folder of pairs.

    HR is cropped to a multiple of the scale; metrics on Y leave out a border as wide as the
    scale. Example: esrgan evaluate --hr Set5/HR --lr Set5/LRbicx4 --model generator.safetensors
    """
    from esrgan_core.inference.upscale import upscale  # noqa: PLC0415  torch takes seconds
    from esrgan_core.metrics import METRICS  # noqa: PLC0415
    from esrgan_core.models.weights import load_generator  # noqa: PLC0415
    from pipelines.contenders import bicubic, compare, per_image  # noqa: PLC0415
    from pipelines.samples import samples_in  # noqa: PLC0415

    wanted = metrics.split(",")
    if unknown := [name for name in wanted if name not in METRICS]:
        raise ValueError(f"no metric {unknown}; there are {sorted(METRICS)}")
    if model == "bicubic":
        upscaler = bicubic(scale)
    else:
        network = load_generator(Path(model))
        scale = network.config.scale

        def upscaler(pixels):  # type: ignore[no-untyped-def]  # as Upscaler
            return upscale(network, pixels)

    samples = list(samples_in(hr, lr, scale))
    frame = per_image(compare({model: upscaler}, samples, wanted, scale, "evaluate"))
    means = {name: float(frame[name].mean()) for name in wanted}
    if as_json:
        rows = frame.drop(columns="model").to_dict("records")
        typer.echo(json.dumps({"model": model, "mean": means, "pictures": rows}, indent=2))
    else:
        typer.echo(frame.drop(columns="model").to_string(index=False, float_format="%.4f"))
        typer.echo("mean  " + "  ".join(f"{name} {value:.4f}" for name, value in means.items()))


@app.command()
def publish() -> None:
    """Bring the results in artifacts/ into the MLflow store, whatever it lacks of them.

    Uses MLFLOW_TRACKING_URI, else the database under .esrgan/. Safe to repeat: what is there
    already is left alone.
    """
    from pipelines.params import load_params  # noqa: PLC0415
    from pipelines.paths import PAGE  # noqa: PLC0415
    from pipelines.registry import admit  # noqa: PLC0415
    from pipelines.stages.register import Params  # noqa: PLC0415
    from pipelines.tracking.publish import publish_all, published_run  # noqa: PLC0415
    from pipelines.tracking.record import record_path  # noqa: PLC0415
    from pipelines.tracking.store import tracking_uri  # noqa: PLC0415

    done = publish_all()
    typer.echo(
        f"MLflow at {tracking_uri()}: " + (f"added {', '.join(done)}" if done else "complete")
    )
    if record_path("register").is_file():
        params = load_params(Params)
        run_id = published_run("register")
        decision = admit(params.register, params.interpolate.alpha, run_id)
        typer.echo(f"{decision.model} version {decision.version} is the {decision.alias}")
    if PAGE.is_file():
        typer.echo(f"picture page: {PAGE.resolve()}")


def main() -> None:
    """Run the command line; a mistake of the user's ends with its message alone."""
    from pipelines.tracking.store import StoreDownError  # noqa: PLC0415

    try:
        app()
    except (ParamsError, ValueError, OSError, StoreDownError) as error:
        if os.environ.get("ESRGAN_TRACEBACK"):
            raise
        sys.exit(f"esrgan: {error}")
