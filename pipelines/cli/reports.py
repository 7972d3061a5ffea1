"""`esrgan compare` and `esrgan figures`: all that was trained, on any images and for papers."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=HR or NAME=HR,LR; may be repeated. LR is made if absent"),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE for lpips: alexnet, lpips_alex; adds LPIPS"),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a .md file")] = None,
) -> None:
    """Measure everything that was trained here on folders of images, beside the papers.

    Bicubic enlargement, whichever baselines there are, and the pipeline's networks at every alpha.
    Without --set on the test images of the pair store.
    Example: esrgan compare --set Set5=Set5/HR,Set5/LRbicx4 --set Set14=Set14/HR
    """
    from dataclasses import replace

    from esrgan_core.data.pairs import PairStore
    from esrgan_core.files import write_text
    from pipelines.baselines.compare import Params, trained_methods
    from pipelines.config.artifacts import PAIRS
    from pipelines.config.params import load_params
    from pipelines.evaluation.benchmark import evaluate_methods
    from pipelines.evaluation.test_sets import load_folder_samples, load_samples
    from pipelines.reports.markdown_table import comparison_table
    from pipelines.sources.pinned import pin
    from pipelines.sources.pretrained_weights import parse_weight_files

    params = load_params(Params)
    store = PairStore(PAIRS)
    samples = load_folder_samples(sets or [], params.scale) or load_samples(store, "test")
    config = params.evaluate
    if weights:
        own = {name: pin(file) for name, file in parse_weight_files(weights).items()}
        metrics = [*config.metrics, *({"lpips"} - set(config.metrics))]
        config = replace(config, metrics=metrics, weight_files={**config.weight_files, **own})
    methods = trained_methods(params)
    evaluation = evaluate_methods(methods, samples, config, params.scale, "compare")
    text = comparison_table(evaluation.frame, params.scale, len(store.names("train")))
    typer.echo(text)
    if output:
        write_text(output, text + "\n")


def figures(
    output: Annotated[Path, typer.Option("--output", "-o", help="a folder")] = Path("figures"),
    formats: Annotated[str, typer.Option(help="pdf, png, svg, with commas")] = "pdf,png",
) -> None:
    """Draw for a paper: crops of every test image, curves, perception against distortion.

    From what lies in artifacts/: with the baselines where they were trained.
    """
    from esrgan_core.data.pairs import PairStore
    from pipelines.baselines.compare import Params, trained_methods
    from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, IMAGE_GRID, PAIRS
    from pipelines.config.params import load_params
    from pipelines.evaluation.benchmark import evaluate_methods, select_shown
    from pipelines.evaluation.test_sets import load_samples
    from pipelines.reports.figures import curves_figure, patch_figure, plane_figure, save_figure
    from pipelines.runtime.tables import read_table

    endings = [ending.strip().lstrip(".") for ending in formats.split(",")]
    if bad := sorted(set(endings) - {"pdf", "png", "svg"}):
        raise ValueError(f"no format {', '.join(bad)}; there are pdf, png, svg")
    params = load_params(Params)
    shown = select_shown(load_samples(PairStore(PAIRS), "test"))
    methods = trained_methods(params)
    evaluation = evaluate_methods(methods, shown, params.evaluate, params.scale, "figures")
    drawn = {
        f"patches-{sample.name.rpartition('/')[2]}": patch_figure(
            sample, {name: scored[index] for name, scored in evaluation.images.items()}
        )
        for index, sample in enumerate(evaluation.shown)
    }
    drawn["plane"] = plane_figure(read_table(ALPHA_GRID), read_table(IMAGE_GRID), evaluation.means)
    for path in sorted(ARTIFACTS.glob("*/curve.csv")):
        stage = path.parent.name
        drawn[f"curves-{stage}"] = curves_figure(stage, read_table(path))
    for name, figure in drawn.items():
        for ending in endings:
            save_figure(figure, output / f"{name}.{ending}")
    typer.echo(f"{len(drawn)} figures in {output}: {', '.join(sorted(drawn))}")


COMMANDS = (compare, figures)
