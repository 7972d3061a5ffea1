"""The rules that a new champion must pass."""

from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from pipelines.evaluation.bootstrap import paired_difference
from pipelines.evaluation.config import RegisterConfig, improvement
from pipelines.registry.evidence import Evidence

TOLERANCE = 1e-9
"""Smaller differences are rounding errors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
    """A rule, whether it holds, and the values that it compares."""

    rule: str
    holds: bool
    figures: str


def check_gates(
    candidate: Evidence, champion: Evidence | None, config: RegisterConfig
) -> list[GateResult]:
    """Check a candidate, and compare it to the champion on the same evaluation.

    The mean of `config.metric` at the default alpha must be better by `min_gain`, on no set worse
    by more than `set_tolerance`, and the mean PSNR-Y at alpha 0 at most `psnr_y_tolerance` lower.
    """
    own = check_candidate(candidate, config.metric)
    if champion is None:
        return [*own, GateResult(rule="better than the champion", holds=True, figures="none yet")]
    return [*own, *_compare(candidate, champion, config)]


def check_candidate(candidate: Evidence, metric: str) -> list[GateResult]:
    """Check a candidate's own figures.

    On every set, PSNR-Y at alpha 0 must be above bicubic's, and `metric` better at the default
    alpha than at alpha 0. There must be no health warning, and no mismatch of resize and metrics.
    """
    bicubic, pretrained, default = (
        candidate.results[name] for name in ("bicubic", "pretrained", "interpolated")
    )
    results = []
    for name, row in pretrained.items():
        new, old = row["psnr_y"], bicubic[name]["psnr_y"]
        results.append(
            _gate(f"{name}: PSNR-Y at alpha 0 above bicubic's", new > old, new, old, " dB")
        )
    for name, row in pretrained.items():
        rule = f"{name}: {metric} at alpha {candidate.alpha:g} better than at alpha 0"
        if metric in row and metric in default[name]:
            new, old = default[name][metric], row[metric]
            results.append(_gate(rule, improvement(metric, new, old) > 0, new, old))
        else:
            figures = f"{metric} was not measured"
            results.append(GateResult(rule=rule, holds=False, figures=figures))
    problems = {
        "no health warning in its trainings": candidate.health_warnings,
        "resize and metrics have their reference values": candidate.mismatches,
    }
    for rule, found in problems.items():
        figures = "; ".join(found) or "none"
        results.append(GateResult(rule=rule, holds=not found, figures=figures))
    return results


def incomparable(reason: str) -> GateResult:
    """The result for a candidate that cannot be compared to the champion."""
    return GateResult(rule="better than the champion", holds=False, figures=reason)


def _compare(candidate: Evidence, champion: Evidence, config: RegisterConfig) -> list[GateResult]:
    metric = config.metric
    if candidate.evaluation != champion.evaluation:
        reason = "the champion was measured on other test images or sets, or by other code"
        return [incomparable(f"{reason}; compare by hand and promote it")]
    new, old = candidate.results["interpolated"], champion.results["interpolated"]
    if not all(metric in row for row in (*new.values(), *old.values())):
        return [incomparable(f"{metric} was not measured for both")]
    means = _mean(candidate, "interpolated", metric), _mean(champion, "interpolated", metric)
    psnr = _mean(candidate, "pretrained", "psnr_y"), _mean(champion, "pretrained", "psnr_y")
    gain = improvement(metric, *means)
    return [
        _gate(
            f"mean {metric} at the default alpha better than the champion's"
            + (f" by {config.min_gain:g}" if config.min_gain else ""),
            gain > TOLERANCE and gain >= config.min_gain - TOLERANCE,
            *means,
            _paired_difference(candidate, champion, metric),
        ),
        *(
            _gate(
                f"{name}: {metric} worse than the champion's by at most {config.set_tolerance:.0%}",
                improvement(metric, row[metric], old[name][metric])
                >= -config.set_tolerance * abs(old[name][metric]) - TOLERANCE,
                row[metric],
                old[name][metric],
            )
            for name, row in new.items()
        ),
        _gate(
            f"mean PSNR-Y at alpha 0 at most {config.psnr_y_tolerance} dB below champion's",
            psnr[0] >= psnr[1] - config.psnr_y_tolerance - TOLERANCE,
            *psnr,
            " dB",
        ),
    ]


def _gate(rule: str, holds: bool, new: float, old: float, suffix: str = "") -> GateResult:
    return GateResult(rule=rule, holds=holds, figures=f"{new:.3f} against {old:.3f}{suffix}")


def _mean(evidence: Evidence, model: str, metric: str) -> float:
    return fmean(values[metric] for values in evidence.results[model].values())


def _paired_difference(candidate: Evidence, champion: Evidence, metric: str) -> str:
    ours, theirs = (
        pd.DataFrame([row for row in evidence.images if row["model"] == "interpolated"])
        for evidence in (candidate, champion)
    )
    difference = paired_difference(ours, theirs, metric)
    return "" if difference is None else f"; by image {difference}"
