from dataclasses import replace
from typing import Any

import pytest

from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.gates import Evidence, judge


def evidence(
    psnr: float = 26.0, niqe: float = 5.0, images: str = "same", **changes: float
) -> Evidence:
    values: dict[str, Any] = {
        "bicubic": {"psnr_y": 25.0, "niqe": 8.0},
        "pretrained": {"psnr_y": psnr, "niqe": 6.0},
        "interpolated": {"psnr_y": psnr - 1, "niqe": niqe},
        "finetuned": {"psnr_y": psnr - 2, "niqe": niqe},
    } | {}
    results = {model: {"a": dict(row), "b": dict(row)} for model, row in values.items()}
    for key, value in changes.items():
        model, metric = key.split("__")
        results[model]["b"][metric] = value
    return Evidence(results=results, evaluation=images, alpha=0.8)


def verdict(candidate: Evidence, champion: Evidence | None) -> tuple[bool, list[str]]:
    reasons = judge(candidate, champion, RegisterConfig())
    return all(r.holds for r in reasons), [r.rule for r in reasons if not r.holds]


def test_the_first_good_model_is_champion() -> None:
    assert verdict(evidence(), None) == (True, [])


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (evidence(pretrained__psnr_y=24.9), "b: PSNR-Y at alpha 0 above bicubic's"),
        (evidence(interpolated__niqe=6.0), "b: niqe at alpha 0.8 better than at alpha 0"),
    ],
)
def test_one_set_is_enough_to_fail(candidate: Evidence, rule: str) -> None:
    assert verdict(candidate, None) == (False, [rule])


@pytest.mark.parametrize(
    ("candidate", "wins"),
    [
        (evidence(niqe=4.9), True),
        (evidence(niqe=5.0), False),
        (evidence(niqe=4.9, psnr=25.9), True),
        (evidence(niqe=4.9, psnr=25.89), False),
        (evidence(niqe=1.0, images="others"), False),
    ],
)
def test_a_challenger_must_look_better_and_stay_as_faithful(
    candidate: Evidence, wins: bool
) -> None:
    assert verdict(candidate, evidence())[0] is wins


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        ({"alarms": ["finetune: color_drift"]}, "no alarm in its trainings"),
        ({"find_mismatches": ["psnr_y is off"]}, "resize and metrics have their verified values"),
    ],
)
def test_an_alarm_and_a_wrong_metric_stand_in_the_way(candidate: Any, rule: str) -> None:
    assert verdict(replace(evidence(), **candidate), None) == (False, [rule])


def test_no_set_may_pay_for_the_others() -> None:
    # the mean gains, set b loses 6 %
    worse = evidence(niqe=3.0, interpolated__niqe=5.3)
    assert verdict(worse, evidence()) == (
        False, ["b: niqe worse than the champion's by at most 5%"],
    )  # fmt: skip
    assert verdict(evidence(niqe=3.0, interpolated__niqe=5.2), evidence()) == (True, [])


def test_a_gain_that_is_too_small_is_none() -> None:
    config = RegisterConfig(min_gain=0.2)
    for niqe, wins in ((4.9, False), (4.8, True)):
        reasons = judge(evidence(niqe=niqe), evidence(), config)
        assert all(reason.holds for reason in reasons) is wins


def test_a_metric_that_was_not_measured_decides_nothing() -> None:
    reasons = judge(evidence(), evidence(), RegisterConfig(metric="lpips"))
    assert {r.figures for r in reasons if not r.holds} == {
        "lpips was not measured", "lpips was not measured for both",
    }  # fmt: skip


def test_the_difference_is_told_picture_by_picture() -> None:
    def pictured(shift: float) -> Evidence:
        rows = [
            {"model": "interpolated", "set": "a", "name": str(n), "niqe": n + shift}
            for n in range(4)
        ]
        return replace(evidence(niqe=5.0 + shift), images=rows)

    reasons = judge(pictured(-0.5), pictured(0.0), RegisterConfig())
    (gain,) = [r for r in reasons if r.rule.startswith("mean niqe")]
    assert gain.figures == "4.500 against 5.000; by image -0.500 [-0.500, -0.500]"
