"""The table of the ablation: a row per variant, stage and test set."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from esrgan_core.engine.evaluation import Sample, evaluate
from esrgan_core.metrics import metrics_by_name
from pipelines.evaluation.methods import load_network
from pipelines.reports.labels import display_name, format_value
from pipelines.sources.pretrained_weights import weights_finder

METRICS = ("psnr_y", "ssim_y", "lpips", "niqe")
BRIGHTNESS = "brightness"
"""Difference of the mean values, in levels of 255."""


class Network(NamedTuple):
    """The result of one training."""

    variant: str
    stage: int
    seed: int
    path: Path


def measure(
    networks: Sequence[Network], samples: Sequence[Sample], files: Mapping[str, str], scale: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per network and set, with means over the images; LPIPS if `files` has weights."""
    names = [name for name in METRICS if name != "lpips" or files]
    metrics = {
        **metrics_by_name(names, weights_finder(files)),
        BRIGHTNESS: lambda sr, hr, _: float((sr - hr).mean().abs()) * 255,
    }
    for variant, stage, seed, path in networks:
        network, method = load_network(path)
        count = sum(weights.numel() for weights in network.parameters())
        scored = list(evaluate(method, samples, metrics, scale))
        for set_name in dict.fromkeys(sample.set for sample in samples):
            values = pd.DataFrame([one.values for one in scored if one.set == set_name])
            yield {
                "variant": variant,
                "stage": stage,
                "seed": seed,
                "set": set_name,
                "parameters": count,
                **{str(name): value for name, value in values.mean().items()},
            }


def markdown_table(frame: pd.DataFrame) -> str:
    """A table per stage and set: means over the seeds, with minimum and maximum."""
    names = [name for name in (*METRICS, BRIGHTNESS) if name in frame]
    own = {BRIGHTNESS: "brightness error (of 255)"}
    titles = [own.get(name) or display_name(name) for name in names]
    lines = [f"Means over {frame['seed'].nunique()} seeds, in brackets minimum and maximum.", ""]
    for (stage, set_name), rows in frame.groupby(["stage", "set"], sort=False):
        lines += [
            f"## Stage {stage}, {set_name}",
            "",
            f"| variant | weights | {' | '.join(titles)} |",
            "|---|" + "---|" * (1 + len(names)),
        ]
        for variant, group in rows.groupby("variant", sort=False):
            cells = [_spread(name, group[name]) for name in names]
            lines.append(f"| {variant} | {group['parameters'].iloc[0]:,} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _spread(metric: str, values: "pd.Series[float]") -> str:
    numbers = (values.mean(), values.min(), values.max())
    mean, least, most = (format_value(metric, number) for number in numbers)
    return f"{mean} [{least}, {most}]"
