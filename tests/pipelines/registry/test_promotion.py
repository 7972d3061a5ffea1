"""Changes of the registry by hand, cut at any call to MLflow, and what their history keeps."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from esrgan_core.data.pairs import PairStore
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.gates import Evidence, Results, judge
from pipelines.registry.promotion import evaluation_of, promote, rollback
from pipelines.tracking.client import client, experiment_id
from pipelines.tracking.errors import StoreDownError
from pipelines.tracking.model_registry import (
    EVIDENCE_FILE,
    MOST_CHAMPIONS,
    get_aliases,
    read_history,
)
from tests.support.stores import Fault, KeptStore, When, content

CONFIG = RegisterConfig(metric="niqe")
NIQE = {"1": 6.0, "2": 5.5, "3": 7.0}
"""By version; less is better."""


def results_of(set_name: str, niqe: float = 6.0) -> Results:
    return {
        "bicubic": {set_name: {"psnr_y": 28.0}},
        "pretrained": {set_name: {"psnr_y": 30.0, "niqe": 9.0}},
        "interpolated": {set_name: {"psnr_y": 29.0, "niqe": niqe}},
    }


@pytest.fixture
def registry(state: Path, tmp_path: Path) -> Path:
    """A store whose registered model has three versions; the first is the champion."""
    model = CONFIG.model
    client().create_registered_model(model)
    for niqe in NIQE.values():
        evidence = {"results": results_of("set5", niqe), "evaluation": "same", "alpha": 0.8}
        (tmp_path / EVIDENCE_FILE).write_text(json.dumps({"evidence": evidence}))
        made = client().create_logged_model(experiment_id(), name=model)
        client().log_model_artifact(made.model_id, str(tmp_path / EVIDENCE_FILE))
        client().create_model_version(model, f"models:/{made.model_id}")
    promote(CONFIG, "1", "", force=False)
    return state


def test_the_same_pictures_in_other_sets_are_another_evaluation(store: PairStore) -> None:
    test = [entry for entry in store.entries if entry.split == "test"]
    champion = results_of("Set5")
    moved = [replace(entry, set="mine") for entry in test]
    renamed = [replace(entry, name=f"{entry.name}2") for entry in test]
    evaluation = evaluation_of(champion, test)
    others = [evaluation_of(champion, pairs) for pairs in (moved, renamed, test[:-1])]
    assert len({evaluation, *others}) == 4
    reasons = judge(
        Evidence(results=results_of("mine"), evaluation=evaluation_of(champion, moved), alpha=0.8),
        Evidence(results=champion, evaluation=evaluation, alpha=0.8),
        CONFIG,
    )
    assert [reason.figures for reason in reasons if not reason.holds] == [
        "the champion was measured on other test images or sets, or by other code; compare by "
        "hand and promote it"
    ]


def better() -> object:
    return promote(CONFIG, "2", "", force=False)


def by_force() -> object:
    return promote(CONFIG, "3", "as an example", force=True)


def back() -> object:
    return rollback(CONFIG.model)


def lines() -> list[tuple[str, bool, bool]]:
    """(version, forced, rolled back) of the history."""
    return [
        (line["version"], line["forced"], "rolled_back" in line)
        for line in read_history(CONFIG.model)
    ]


def test_a_rollback_keeps_what_was_forced(registry: Path) -> None:
    by_force()
    assert rollback(CONFIG.model) == ("3", "1")
    better()
    assert rollback(CONFIG.model) == ("2", "1")
    assert lines() == [("1", False, False), ("3", True, True), ("2", False, True)]
    assert read_history(CONFIG.model)[1]["why"] == "as an example"
    with pytest.raises(ValueError, match="had no champion before version 1"):
        back()


def test_what_was_forced_outlives_any_number_of_champions(registry: Path) -> None:
    by_force()
    for number in range(MOST_CHAMPIONS + 2):
        promote(CONFIG, "2" if number % 2 == 0 else "1", "an example", force=True)
    found = read_history(CONFIG.model)
    assert [line["version"] for line in found if line["why"] == "as an example"] == ["3"]
    assert len(found) > MOST_CHAMPIONS


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", [better, by_force, back])
def test_a_change_that_is_cut_is_made_once(
    registry: Path, change: Callable[[], object], when: When
) -> None:
    if change is back:
        by_force()
    before = KeptStore(registry)
    undisturbed = Fault()
    with undisturbed():
        change()
    expected, champion = content(registry), get_aliases(CONFIG.model)
    for number in range(len(undisturbed.calls)):
        before.restore()
        with Fault(number, when)():
            try:
                change()
            except StoreDownError:
                change()
        assert get_aliases(CONFIG.model) == champion
        assert content(registry) == expected, (undisturbed.calls[number], lines())
