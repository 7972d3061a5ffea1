"""`esrgan lr` and `esrgan evaluate`: folders of images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.failures import exit_if_any


def lr(
    source: Annotated[Path, typer.Argument(help="a image, or a folder of HR images")],
    output: Annotated[Path, typer.Argument(help="a PNG file, or a folder to put PNG files in")],
    scale: Annotated[int, typer.Option(help="how many times smaller")] = 4,
    convention: Annotated[
        str, typer.Option(help="double, per_pass_uint8 or per_pass_uint8_replicate")
    ] = "double",
    modcrop: Annotated[
        int, typer.Option(help="crop HR to a multiple of this first; 0 for the scale")
    ] = 0,
    workers: Annotated[int, typer.Option(help="processes; -1 for one per core")] = -1,
) -> None:
    """Make low-resolution images exactly as MATLAB's imresize does.

    `double` is what the ESRGAN authors did; `per_pass_uint8` made EDSR's benchmark sets and
    `per_pass_uint8_replicate` those of SelfExSR. Folders keep their tree and names.
    Example: esrgan lr DIV2K/HR DIV2K/LRbicx4 --scale 4
    """
    from joblib import Parallel, delayed

    from esrgan_core.io.folder import find_images
    from esrgan_core.io.resize import CONVENTIONS
    from pipelines.runtime.progress import progress

    if convention not in CONVENTIONS:
        raise ValueError(f"no convention {convention!r}; there are {', '.join(CONVENTIONS)}")
    if source.is_dir():
        files = find_images(source)
        targets = [output / path.relative_to(source).with_suffix(".png") for path in files]
    else:
        files, targets = [source], [output]
    if not files:
        raise ValueError(f"no images in {source}")
    if len(set(targets)) < len(targets):
        raise ValueError(f"{source} holds images that differ in their suffix alone; rename them")
    jobs = (
        delayed(_reduce)(path, target, scale, modcrop or scale, convention)
        for path, target in zip(files, targets, strict=True)
    )
    failures: list[str] = []
    with progress("lr", len(files)) as advance:
        done = Parallel(n_jobs=workers, return_as="generator")(jobs)
        for number, (path, problem) in enumerate(zip(files, done, strict=True), start=1):
            failures += [f"{path}: {problem}"] if problem else []
            advance(number, path.name)
    exit_if_any(failures)


def _reduce(path: Path, target: Path, scale: int, modcrop: int, convention: Any) -> str:
    """Why one image could not be made smaller; "" if it could."""
    from esrgan_core.io.geometry import crop_to_multiple
    from esrgan_core.io.resize import bicubic_pair
    from esrgan_core.io.rgb import read_rgb, write_png

    try:
        hr = crop_to_multiple(read_rgb(path), modcrop)
        write_png(target, bicubic_pair(hr, scale, convention)[1])
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def evaluate(
    hr: Annotated[Path, typer.Option(help="folder of HR images, or one image")],
    lr: Annotated[
        Path | None, typer.Option(help="LR of the same names; made from HR if left out")
    ] = None,
    sr: Annotated[
        Path | None, typer.Option(help="results of the same names, to be measured as they are")
    ] = None,
    model: Annotated[str, typer.Option(help="a weights file, or: bicubic")] = "",
    metrics: Annotated[
        str, typer.Option(help="by name, with commas; an unknown one lists all")
    ] = "psnr_y,ssim_y,niqe",
    scale: Annotated[
        int, typer.Option(help="of bicubic or --sr; a weights file knows its own")
    ] = 4,
    modcrop: Annotated[
        int, typer.Option(help="crop HR to a multiple of this; 0 for the scale")
    ] = 0,
    border: Annotated[
        int | None, typer.Option(help="pixels that metrics leave out on each side; else the scale")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE for lpips: alexnet, vgg16, lpips_alex, lpips_vgg"),
    ] = None,
    ma_scores: Annotated[
        Path | None,
        typer.Option(help="CSV with columns name,ma: adds pi from NIQE and Ma's scores"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure a model, or images that lie there, on one set.

    HR is cropped to a multiple of the scale; metrics but LPIPS leave out a border as wide as the
    scale. Images are matched by name without suffix. The perceptual index needs the scores of
    Ma's model, which is not free to have: without --ma-scores it is absent.

    Examples: esrgan evaluate --hr Set5/HR --lr Set5/LRbicx4 --model generator.safetensors
              esrgan evaluate --hr Set5/HR --sr results --metrics psnr_y,lpips
    """
    import pandas as pd

    from esrgan_core.engine.evaluation import score
    from esrgan_core.metrics import metrics_by_name, perceptual_index
    from esrgan_core.strict_json import to_json
    from pipelines.evaluation.methods import bicubic, load_network
    from pipelines.evaluation.test_sets import load_sample, match_files
    from pipelines.runtime.progress import progress
    from pipelines.sources.pretrained_weights import parse_weight_files, weights_finder

    if bool(model) == bool(sr) or (sr and lr):
        raise ValueError("say either --model (with --lr, or LR is made from HR) or --sr")
    measures = metrics_by_name(
        metrics.split(","), weights_finder(parse_weight_files(weights or []))
    )
    ma = _ma_scores(ma_scores) if ma_scores else {}
    if ma_scores and "niqe" not in measures:
        raise ValueError("--ma-scores makes pi from niqe; add niqe to --metrics")
    if model == "bicubic":
        method = bicubic(scale)
    elif model:
        network, method = load_network(Path(model))
        scale = network.config.scale
    pairs = match_files(hr, sr or lr)
    scores: dict[str, dict[str, float]] = {}
    failures: list[str] = []
    with progress("evaluate", len(pairs)) as advance:
        for number, (name, hr_file, other) in enumerate(pairs, start=1):
            try:
                sample = load_sample(name, hr, hr_file, other, scale, modcrop or scale)
                result = sample.lr if sr else method(sample)
                scored = score(sample, result, measures, scale, border)
                values = dict(scored.values)
                failures += [f"{hr_file}: {reason}" for reason in scored.unmeasured.values()]
                if ma:
                    values["pi"] = perceptual_index(values["niqe"], ma[name])
                scores[name] = values
            except (ValueError, OSError) as error:
                failures.append(f"{hr_file}: {error}")
            except KeyError:
                failures.append(f"{hr_file}: {ma_scores} has no score for {name}")
            advance(number, name)
    table = pd.DataFrame.from_dict(scores, orient="index")
    means = {str(name): float(value) for name, value in table.mean().items()}
    if as_json:
        images = [{"name": name, **values} for name, values in scores.items()]
        content = {"model": model or str(sr), "mean": means, "images": images}
        typer.echo(to_json(content, indent=2))
    elif scores:
        table.loc["mean"] = means
        typer.echo(table.to_string(float_format=lambda value: f"{value:.4f}"))
    exit_if_any(failures)


def _ma_scores(path: Path) -> dict[str, float]:
    from pipelines.evaluation.ma_scores import read_ma_scores

    scores: dict[str, float] = {}
    for name, ma in read_ma_scores(path, ["name"]).itertuples(index=False):
        if (stem := Path(name).stem) in scores:
            raise ValueError(f"{path}: {stem!r} has more than one line, which differ in the suffix")
        scores[stem] = float(ma)
    return scores


COMMANDS = (lr, evaluate)
