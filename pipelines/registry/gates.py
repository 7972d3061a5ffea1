"""The rules by which a model becomes champion: written down, and all must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from pipelines.evaluation.bootstrap import paired_difference
from pipelines.evaluation.config import RegisterConfig, improvement

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
TOLERANCE = 1e-9
"""Equal figures count as no worse."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a decision rests on; stored with the model version."""

    results: Results
    """Metrics by model and set, as in `metrics.json`."""
    evaluation: str
    """Hash over the test pairs, their sets and how they were measured; only equal ones compare."""
    alpha: float
    images: Sequence[Mapping[str, Any]] = ()
    """Figures per image of the pretrained and the interpolated network."""
    alarms: Sequence[str] = ()
    """Of both trainings, as `finetune: color_drift`."""
    find_mismatches: Sequence[str] = ()
    """Where resize and metrics differ from their verified values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
    """One rule, whether it holds, and the figures behind it."""

    rule: str
    holds: bool
    figures: str


def judge(
    candidate: Evidence, champion: Evidence | None, config: RegisterConfig
) -> list[GateResult]:
    """The rules of a champion, whether they hold for `candidate`, and why.

    By itself: PSNR-Y at alpha 0 above bicubic's on every set, the deciding metric better at the
    default alpha than at alpha 0 on every set, no alarm in its trainings, and metrics that say
    what they should. Against the present champion, on the same evaluation: a mean of the metric
    better by `min_gain`, no set worse than `set_tolerance`, and a mean PSNR-Y at alpha 0 that
    falls short by no more than its tolerance.
    """
    reasons = [*_faithful(candidate), *_natural(candidate, config.metric), *_sound(candidate)]
    if champion is None:
        return [
            *reasons,
            GateResult(rule="better than the champion", holds=True, figures="none yet"),
        ]
    return [*reasons, *_against(candidate, champion, config)]


def _faithful(candidate: Evidence) -> list[GateResult]:
    plain, enlarged = candidate.results["pretrained"], candidate.results["bicubic"]
    return [
        GateResult(
            rule=f"{name}: PSNR-Y at alpha 0 above bicubic's",
            holds=plain[name]["psnr_y"] > enlarged[name]["psnr_y"],
            figures=f"{plain[name]['psnr_y']:.3f} against {enlarged[name]['psnr_y']:.3f} dB",
        )
        for name in plain
    ]


def _natural(candidate: Evidence, metric: str) -> list[GateResult]:
    plain, default = candidate.results["pretrained"], candidate.results["interpolated"]
    reasons = []
    for name in plain:
        new, old = default[name].get(metric), plain[name].get(metric)
        rule = f"{name}: {metric} at alpha {candidate.alpha:g} better than at alpha 0"
        if new is None or old is None:
            reasons.append(GateResult(rule=rule, holds=False, figures=f"{metric} was not measured"))
        else:
            figures = f"{new:.3f} against {old:.3f}"
            reasons.append(
                GateResult(rule=rule, holds=improvement(metric, new, old) > 0, figures=figures)
            )
    return reasons


def _sound(candidate: Evidence) -> list[GateResult]:
    return [
        GateResult(
            rule="no alarm in its trainings",
            holds=not candidate.alarms,
            figures=", ".join(candidate.alarms) or "none",
        ),
        GateResult(
            rule="resize and metrics have their verified values",
            holds=not candidate.find_mismatches,
            figures="; ".join(candidate.find_mismatches) or "they have",
        ),
    ]


def _against(candidate: Evidence, champion: Evidence, config: RegisterConfig) -> list[GateResult]:
    metric = config.metric
    if candidate.evaluation != champion.evaluation:
        figures = (
            "the champion was measured on other test images or sets, or by other code; compare "
            "by hand and promote it"
        )
        return [GateResult(rule="better than the champion", holds=False, figures=figures)]
    if not (_has(candidate, metric) and _has(champion, metric)):
        figures = f"{metric} was not measured for both"
        return [GateResult(rule="better than the champion", holds=False, figures=figures)]
    new, old = (_mean(one, "interpolated", metric) for one in (candidate, champion))
    new_psnr, old_psnr = (_mean(one, "pretrained", "psnr_y") for one in (candidate, champion))
    gain = improvement(metric, new, old)
    return [
        GateResult(
            rule=f"mean {metric} at the default alpha better than the champion's"
            + (f" by {config.min_gain:g}" if config.min_gain else ""),
            holds=gain > TOLERANCE and gain >= config.min_gain - TOLERANCE,
            figures=f"{new:.3f} against {old:.3f}{_per_picture(candidate, champion, metric)}",
        ),
        *_no_set_worse(candidate, champion, config),
        GateResult(
            rule=f"mean PSNR-Y at alpha 0 at most {config.psnr_y_tolerance} dB below champion's",
            holds=new_psnr >= old_psnr - config.psnr_y_tolerance - TOLERANCE,
            figures=f"{new_psnr:.3f} against {old_psnr:.3f} dB",
        ),
    ]


def _no_set_worse(
    candidate: Evidence, champion: Evidence, config: RegisterConfig
) -> list[GateResult]:
    new, old = candidate.results["interpolated"], champion.results["interpolated"]
    metric = config.metric
    return [
        GateResult(
            rule=f"{name}: {metric} worse than the champion's by at most "
            f"{config.set_tolerance:.0%}",
            holds=improvement(metric, new[name][metric], old[name][metric])
            >= -config.set_tolerance * abs(old[name][metric]) - TOLERANCE,
            figures=f"{new[name][metric]:.3f} against {old[name][metric]:.3f}",
        )
        for name in new
    ]


def _has(evidence: Evidence, metric: str) -> bool:
    return all(metric in values for values in evidence.results["interpolated"].values())


def _mean(evidence: Evidence, model: str, metric: str) -> float:
    return fmean(values[metric] for values in evidence.results[model].values())


def _per_picture(candidate: Evidence, champion: Evidence, metric: str) -> str:
    """The difference paired by image with its interval, as an addition to other figures."""
    if not (candidate.images and champion.images):
        return ""
    ours, theirs = (
        frame[frame["model"] == "interpolated"]
        for frame in (pd.DataFrame(list(one.images)) for one in (candidate, champion))
    )
    difference = paired_difference(ours, theirs, metric)
    return "" if difference is None else f"; by image {difference}"
