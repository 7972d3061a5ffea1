"""Scores of one method, or of finished results, on a folder of images."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from esrgan_core.engine.evaluation import Method, score
from esrgan_core.metrics import metrics_by_name, perceptual_index
from pipelines.config.errors import UserError, as_user_error
from pipelines.evaluation.methods import bicubic, load_network
from pipelines.evaluation.score_table import read_ma_scores
from pipelines.evaluation.test_sets import load_sample, match_files
from pipelines.runtime.progress import progress
from pipelines.sources.pretrained_weights import parse_weight_files, weights_finder


def score_folder(
    hr: Path,
    *,
    lr: Path | None = None,
    sr: Path | None = None,
    model: str = "",
    metrics: Sequence[str],
    weights: Sequence[str] = (),
    scale: int = 4,
    modcrop: int = 0,
    border: int | None = None,
    ma_scores: Path | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Measure a model, or finished results, on the images of a folder, matched by name.

    `model` is `bicubic` or a weights file, whose scale replaces `scale`. Without `lr`, LR is made
    from HR. `modcrop` 0 and `border` None stand for the scale, `weights` are NAME=FILE, and `pi` is
    computed from `ma_scores`, a CSV file with the columns name and ma.

    Returns:
        (metrics, one row per image; images and metrics without a value, with the reason).

    Raises:
        UserError: if an argument is not valid.
    """
    if bool(model) == bool(sr) or (sr and lr):
        raise UserError("give either --model, with or without --lr, or --sr")
    with as_user_error():
        finder = weights_finder(parse_weight_files(weights))
        measured = metrics_by_name(metrics, finder)
        pairs = match_files(hr, sr or lr)
        method, scale = _load_method(model, scale)
    if ma_scores and "niqe" not in measured:
        raise UserError("--ma-scores needs niqe to compute pi; add niqe to --metrics")
    ma = _read_ma_scores(ma_scores) if ma_scores else None
    values: dict[str, dict[str, float]] = {}
    failures: list[str] = []
    with progress("evaluate", len(pairs)) as advance:
        for number, (name, hr_file, other) in enumerate(pairs, start=1):
            try:
                if ma is not None and name not in ma:
                    raise ValueError(f"{ma_scores} has no score for {name}")
                sample = load_sample(name, hr.name, hr_file, other, scale, modcrop or scale)
                scored = score(sample, method(sample), measured, scale, border)
            except (ValueError, OSError) as error:
                failures.append(f"{hr_file}: {error}")
            else:
                values[name] = dict(scored.values)
                if ma is not None:
                    values[name]["pi"] = perceptual_index(scored.values["niqe"], ma[name])
                failures += [f"{hr_file}: {why}" for why in scored.unmeasured.values()]
            advance(number, name)
    return pd.DataFrame.from_dict(values, orient="index"), failures


def _load_method(model: str, scale: int) -> tuple[Method, int]:
    match model:
        case "":
            return lambda sample: sample.lr, scale  # results, read in the place of LR
        case "bicubic":
            return bicubic(scale), scale
    network, method = load_network(Path(model))
    return method, network.config.scale


def _read_ma_scores(path: Path) -> dict[str, float]:
    scores: dict[str, float] = {}
    for name, ma in read_ma_scores(path, ["name"]).itertuples(index=False):
        if (stem := Path(name).stem) in scores:
            raise UserError(f"{path}: {stem!r} has more than one line, which differ in the suffix")
        scores[stem] = float(ma)
    return scores
