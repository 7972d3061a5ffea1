from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.evidence import Evidence
from pipelines.registry.gates import check_gates


def evidence(
    psnr: float = 26.0, niqe: float = 5.0, evaluation: str = "same", **changes: float
) -> Evidence:
    """Figures on the sets `a` and `b`; `changes` are those of `b`, by model__metric."""
    values = {
        "bicubic": {"psnr_y": 25.0, "niqe": 8.0},
        "pretrained": {"psnr_y": psnr, "niqe": 6.0},
        "interpolated": {"psnr_y": psnr - 1, "niqe": niqe},
        "finetuned": {"psnr_y": psnr - 2, "niqe": niqe},
    }
    results = {model: {"a": dict(row), "b": dict(row)} for model, row in values.items()}
    for key, value in changes.items():
        model, metric = key.split("__")
        results[model]["b"][metric] = value
    return Evidence(results=results, evaluation=evaluation, alpha=0.8)


def failed_rules(
    candidate: Evidence, champion: Evidence | None, config: RegisterConfig | None = None
) -> Mapping[str, str]:
    """Figures of the rules that do not hold, by rule."""
    results = check_gates(candidate, champion, config or RegisterConfig())
    return {result.rule: result.figures for result in results if not result.holds}


def test_the_first_good_model_passes() -> None:
    assert not failed_rules(evidence(), None)


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (evidence(pretrained__psnr_y=24.9), "b: PSNR-Y at alpha 0 above bicubic's"),
        (evidence(interpolated__niqe=6.0), "b: niqe at alpha 0.8 better than at alpha 0"),
    ],
)
def test_one_bad_set_fails_the_model(candidate: Evidence, rule: str) -> None:
    assert list(failed_rules(candidate, None)) == [rule]


@pytest.mark.parametrize(
    ("candidate", "passes"),
    [
        (evidence(niqe=4.9), True),
        (evidence(niqe=5.0), False),
        (evidence(niqe=4.9, psnr=25.9), True),
        (evidence(niqe=4.9, psnr=25.89), False),
        (evidence(niqe=1.0, evaluation="other"), False),
    ],
)
def test_a_challenger_must_look_better_and_stay_as_faithful(
    candidate: Evidence, passes: bool
) -> None:
    assert bool(failed_rules(candidate, evidence())) is not passes


@pytest.mark.parametrize(
    ("problem", "rule"),
    [
        ({"health_warnings": ["finetune: color_drift"]}, "no health warning in its trainings"),
        ({"mismatches": ["psnr_y is off"]}, "resize and metrics have their reference values"),
    ],
)
def test_a_health_warning_or_a_wrong_metric_fails_the_model(
    problem: Mapping[str, Any], rule: str
) -> None:
    ((text,),) = problem.values()
    assert failed_rules(replace(evidence(), **problem), None) == {rule: text}


def test_a_better_mean_does_not_excuse_one_worse_set() -> None:
    # set b loses 6 %
    worse = evidence(niqe=3.0, interpolated__niqe=5.3)
    rule = "b: niqe worse than the champion's by at most 5%"
    assert list(failed_rules(worse, evidence())) == [rule]
    assert not failed_rules(evidence(niqe=3.0, interpolated__niqe=5.2), evidence())


@pytest.mark.parametrize(("niqe", "passes"), [(4.9, False), (4.8, True)])
def test_the_gain_must_reach_its_minimum(niqe: float, passes: bool) -> None:
    failed = failed_rules(evidence(niqe=niqe), evidence(), RegisterConfig(min_gain=0.2))
    assert bool(failed) is not passes


def test_a_metric_that_was_not_measured_fails_the_model() -> None:
    failed = failed_rules(evidence(), evidence(), RegisterConfig(metric="lpips"))
    assert set(failed.values()) == {
        "lpips was not measured", "lpips was not measured for both",
    }  # fmt: skip


def test_the_difference_is_paired_by_image() -> None:
    def with_images(shift: float) -> Evidence:
        rows = [
            {"model": "interpolated", "set": "a", "name": str(n), "niqe": n + shift}
            for n in range(4)
        ]
        return replace(evidence(niqe=5.0 + shift), images=rows)

    results = check_gates(with_images(-0.5), with_images(0.0), RegisterConfig())
    (gain,) = [result for result in results if result.rule.startswith("mean niqe")]
    assert gain.figures == "4.500 against 5.000; by image -0.500 [-0.500, -0.500]"
