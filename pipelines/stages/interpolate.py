"""Network interpolation: every metric at every alpha, and a contact sheet to look at."""

from dataclasses import dataclass
from functools import partial

from esrgan_core.data.pairs import PairStore
from esrgan_core.files import atomic_path
from esrgan_core.inference.upscale import upscale
from esrgan_core.metrics import metrics_by_name
from pipelines.contenders import compare, interpolated, per_image, set_means
from pipelines.launch import launch
from pipelines.paths import GRID, PAIRS
from pipelines.pretrained_features import fetched
from pipelines.report.figures import SHOWN, contact_sheet
from pipelines.samples import samples_of
from pipelines.sections import EvaluateConfig, InterpolateConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig


def run(params: Params) -> None:
    """Leave `grid.csv` and a contact sheet."""
    samples = samples_of(PairStore(PAIRS), "test")
    alphas = {f"{alpha:g}": alpha for alpha in sorted(set(params.interpolate.alphas))}
    contenders = {text: partial(upscale, interpolated(alpha)) for text, alpha in alphas.items()}
    metrics = metrics_by_name(params.evaluate.metrics, fetched)
    results = compare(contenders, samples, metrics, params.scale, "interpolate")
    with atomic_path(GRID) as temporary:
        grid = set_means(per_image(results, "alpha"), "alpha")
        grid.to_csv(temporary, index=False, float_format="%.6f")
    contact_sheet(
        {f"alpha {text}": results[text][:SHOWN] for text in alphas},
        GRID.parent / "pictures" / "alphas.png",
    )


if __name__ == "__main__":
    launch("interpolate", Params, run)
