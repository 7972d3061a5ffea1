"""Promotion and rollback, interrupted at any call to MLflow, and the history that they write."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config.errors import UserError
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.promotion import promote, rollback
from pipelines.tracking.client import client, experiment_id
from pipelines.tracking.model_files import EVIDENCE_FILE
from pipelines.tracking.model_registry import MAX_CHAMPIONS, get_aliases, read_history
from pipelines.tracking.store_errors import StoreDownError
from tests.support.stores import FailingCall, StoreSnapshot, When, content

CONFIG = RegisterConfig(metric="niqe")
NIQE = {"1": 6.0, "2": 5.5, "3": 7.0}
"""By version; less is better."""


def evidence(niqe: float) -> dict[str, object]:
    """Evidence as it is stored."""
    results = {
        "bicubic": {"set5": {"psnr_y": 28.0}},
        "pretrained": {"set5": {"psnr_y": 30.0, "niqe": 9.0}},
        "interpolated": {"set5": {"psnr_y": 29.0, "niqe": niqe}},
    }
    own = {"results": results, "evaluation": "same", "alpha": 0.8}
    return own | {"pictures": [], "alarms": [], "departures": []}


@pytest.fixture
def registry(state: Path, tmp_path: Path) -> Path:
    """A store whose registered model has three versions; the first is the champion."""
    model = CONFIG.model
    client().create_registered_model(model)
    for niqe in NIQE.values():
        (tmp_path / EVIDENCE_FILE).write_text(json.dumps({"evidence": evidence(niqe)}))
        made = client().create_logged_model(experiment_id(), name=model)
        client().log_model_artifact(made.model_id, str(tmp_path / EVIDENCE_FILE))
        client().create_model_version(model, f"models:/{made.model_id}")
    promote(CONFIG, "1", "", force=False)
    return state


def promote_better() -> object:
    return promote(CONFIG, "2", "", force=False)


def promote_by_force() -> object:
    return promote(CONFIG, "3", "as an example", force=True)


def roll_back() -> object:
    return rollback(CONFIG.model)


def history() -> list[tuple[str, bool, bool]]:
    """(version, forced, rolled back) of each line."""
    return [
        (line["version"], line["forced"], "rolled_back" in line)
        for line in read_history(CONFIG.model)
    ]


def test_a_rollback_keeps_the_line_of_a_forced_promotion(registry: Path) -> None:
    promote_by_force()
    assert roll_back() == ("3", "1")
    promote_better()
    assert roll_back() == ("2", "1")
    assert history() == [("1", False, False), ("3", True, True), ("2", False, True)]
    assert read_history(CONFIG.model)[1]["why"] == "as an example"
    with pytest.raises(UserError, match="no previous champion to roll back to"):
        roll_back()


def test_the_history_keeps_all_forced_promotions(registry: Path) -> None:
    promote_by_force()
    for number in range(MAX_CHAMPIONS + 2):
        promote(CONFIG, "2" if number % 2 == 0 else "1", "an example", force=True)
    found = read_history(CONFIG.model)
    assert [line["version"] for line in found if line["why"] == "as an example"] == ["3"]
    assert len(found) > MAX_CHAMPIONS


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", [promote_better, promote_by_force, roll_back])
def test_an_interrupted_change_is_made_once(
    registry: Path, change: Callable[[], object], when: When
) -> None:
    if change is roll_back:
        promote_by_force()
    before = StoreSnapshot(registry)
    undisturbed = FailingCall()
    with undisturbed():
        change()
    expected, champion = content(registry), get_aliases(CONFIG.model)
    for number in range(len(undisturbed.calls)):
        before.restore()
        with FailingCall(number, when)():
            try:
                change()
            except StoreDownError:
                change()
        assert get_aliases(CONFIG.model) == champion
        assert content(registry) == expected, (undisturbed.calls[number], history())
