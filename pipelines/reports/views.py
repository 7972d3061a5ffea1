"""What the HTML report shows of each image: crops of all results, as data of `page.js`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from esrgan_core.engine.evaluation import Sample, ScoredImage
from esrgan_core.strict_json import to_json
from pipelines.evaluation.alpha_grid import model_alphas
from pipelines.evaluation.benchmark import Evaluation
from pipelines.reports.crops import data_uri, most_detailed_crop, thumbnail
from pipelines.reports.labels import display_name, format_value

CROP = 256
"""Side of a crop in HR pixels."""
THUMBNAIL = 320
MAX_BYTES = 14 * 10**6
"""Of all images; the rest of the page is below 1 MB."""
CAPTION = ("psnr_y", "ssim_y", "lpips", "niqe")


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The results of one method, or the originals."""

    title: str
    alpha: float | None
    """Of an interpolated network; None for everything else."""
    images: Sequence[ScoredImage]


def originals(samples: Sequence[Sample]) -> list[ScoredImage]:
    """The HR images, in place of results."""
    return [
        ScoredImage(name=sample.name, set=sample.set, sr=np.asarray(sample.hr), values={})
        for sample in samples
    ]


def collect_views(
    evaluation: Evaluation, between: Mapping[float, Sequence[ScoredImage]], chosen: float
) -> list[View]:
    """Every method, then the networks sorted by alpha, then HR.

    `between` has results of alphas that are not among the methods; `interpolated` has `chosen`.
    """
    results, networks = evaluation.images, model_alphas(chosen)
    methods = [
        View(title=display_name(name), alpha=None, images=images)
        for name, images in results.items()
        if name not in networks
    ]
    own = {alpha: results[name] for name, alpha in networks.items() if name in results}
    ends = {0.0: " (pretrained)", 1.0: " (finetuned)"}
    alphas = [
        View(title=f"alpha {alpha:g}{ends.get(alpha, '')}", alpha=alpha, images=images)
        for alpha, images in sorted({**between, **own}.items())
    ]
    return [*methods, *alphas, View(title="HR", alpha=None, images=originals(evaluation.shown))]


def embed_images(shown: Sequence[Sample], views: Sequence[View]) -> list[dict[str, Any]]:
    """The data of as many images as fit into `MAX_BYTES`."""
    images = [_embed_image(index, sample, views) for index, sample in enumerate(shown)]
    sizes = accumulate(len(to_json(image)) for image in images)
    return [image for image, size in zip(images, sizes, strict=True) if size <= MAX_BYTES]


def _embed_image(index: int, sample: Sample, views: Sequence[View]) -> dict[str, Any]:
    hr = np.asarray(sample.hr)
    height, width = hr.shape[:2]
    rows, columns = box = most_detailed_crop(hr, CROP, height // sample.lr.shape[0])
    side = columns.stop - columns.start
    return {
        "name": sample.name.rpartition("/")[2],
        "set": sample.set,
        "side": side,
        "whole": data_uri(thumbnail(hr, THUMBNAIL), quality=80),
        "box": {
            "left": 100 * columns.start / width,
            "top": 100 * rows.start / height,
            "width": 100 * side / width,
            "height": 100 * side / height,
        },
        "views": [
            {
                "title": view.title,
                "alpha": view.alpha,
                "figures": caption(view.images[index].values),
                "uri": data_uri(view.images[index].sr[box]),
            }
            for view in views
        ],
    }


def caption(values: Mapping[str, float]) -> str:
    """The line below an image.

    >>> caption({"psnr_y": 25.5, "rmse_y": 9.0, "niqe": 5.0})
    'PSNR-Y 25.50, NIQE 5.00'
    """
    shown = [metric for metric in CAPTION if metric in values]
    return ", ".join(f"{display_name(name)} {format_value(name, values[name])}" for name in shown)
