from typing import Any

import pytest

from pipelines.registry import Evidence, RegisterConfig, judge


def evidence(
    psnr: float = 26.0, niqe: float = 5.0, pictures: str = "same", **changes: float
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
    return Evidence(results=results, test_pictures=pictures, alpha=0.8)


def verdict(candidate: Evidence, champion: Evidence | None) -> tuple[bool, list[str]]:
    reasons = judge(candidate, champion, RegisterConfig())
    return all(r.holds for r in reasons), [r.rule for r in reasons if not r.holds]


def test_the_first_good_model_is_champion() -> None:
    assert verdict(evidence(), None) == (True, [])


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (evidence(pretrained__psnr_y=24.9), "b: PSNR-Y at alpha 0 above bicubic's"),
        (evidence(interpolated__niqe=6.0), "b: NIQE at alpha 0.8 below that at alpha 0"),
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
        (evidence(niqe=1.0, pictures="others"), False),
    ],
)
def test_a_challenger_must_look_better_and_stay_as_faithful(
    candidate: Evidence, wins: bool
) -> None:
    assert verdict(candidate, evidence())[0] is wins
