"""The rules that a new champion must pass."""

from collections.abc import Iterator
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


def check_candidate(candidate: Evidence, metric: str) -> Iterator[GateResult]:
    """Check a candidate's own figures.

    On every set, PSNR-Y at alpha 0 must be above bicubic's, and `metric` better at the default
    alpha than at alpha 0. There must be no health warning, and no mismatch of resize and metrics.
    """
    bicubic, pretrained, default = (
        candidate.results[name] for name in ("bicubic", "pretrained", "interpolated")
    )
    for name, row in pretrained.items():
        new, old = row["psnr_y"], bicubic[name]["psnr_y"]
        yield _gate(f"{name}: PSNR-Y at alpha 0 above bicubic's", new > old, new, old, " dB")
    for name, row in pretrained.items():
        rule = f"{name}: {metric} at alpha {candidate.alpha:g} better than at alpha 0"
        if metric in row and metric in default[name]:
            new, old = default[name][metric], row[metric]
            yield _gate(rule, improvement(metric, new, old) > 0, new, old)
        else:
            yield GateResult(rule=rule, holds=False, figures=f"{metric} was not measured")
    problems = {
        "no health warning in its trainings": candidate.health_warnings,
        "resize and metrics have their reference values": candidate.mismatches,
    }
    for rule, found in problems.items():
        yield GateResult(rule=rule, holds=not found, figures="; ".join(found) or "none")


def incomparable(reason: str) -> GateResult:
    """The result for a candidate that cannot be compared to the champion."""
    return GateResult(rule="better than the champion", holds=False, figures=reason)


def _compare(
    candidate: Evidence, champion: Evidence, config: RegisterConfig
) -> Iterator[GateResult]:
    metric = config.metric
    if candidate.evaluation != champion.evaluation:
        reason = "the champion was measured on other test images or sets, or by other code"
        yield incomparable(f"{reason}; compare by hand and promote it")
        return
    new, old = candidate.results["interpolated"], champion.results["interpolated"]
    if not all(metric in row for row in (*new.values(), *old.values())):
        yield incomparable(f"{metric} was not measured for both")
        return
    means = _mean(candidate, "interpolated", metric), _mean(champion, "interpolated", metric)
    gain = improvement(metric, *means)
    rule = f"mean {metric} at the default alpha better than the champion's"
    yield _gate(
        f"{rule} by {config.min_gain:g}" if config.min_gain else rule,
        gain > TOLERANCE and gain >= config.min_gain - TOLERANCE,
        *means,
        _paired_difference(candidate, champion, metric),
    )
    for name, row in new.items():
        values = row[metric], old[name][metric]
        rule = f"{name}: {metric} worse than the champion's by at most {config.set_tolerance:.0%}"
        least = -config.set_tolerance * abs(values[1]) - TOLERANCE
        yield _gate(rule, improvement(metric, *values) >= least, *values)
    psnr = _mean(candidate, "pretrained", "psnr_y"), _mean(champion, "pretrained", "psnr_y")
    rule = f"mean PSNR-Y at alpha 0 at most {config.psnr_y_tolerance} dB below champion's"
    yield _gate(rule, psnr[0] >= psnr[1] - config.psnr_y_tolerance - TOLERANCE, *psnr, " dB")


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
