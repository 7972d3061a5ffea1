from dataclasses import replace

from esrgan_core.data.pairs import PairEntry, PairStore
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.evidence import Evidence, Results, evaluation_hash
from pipelines.registry.gates import check_gates


def results(set_name: str) -> Results:
    return {
        "bicubic": {set_name: {"psnr_y": 28.0}},
        "pretrained": {set_name: {"psnr_y": 30.0, "niqe": 9.0}},
        "interpolated": {set_name: {"psnr_y": 29.0, "niqe": 6.0}},
    }


def test_evidence_is_stored_under_the_keys_of_earlier_versions() -> None:
    evidence = Evidence(
        results={},
        evaluation="hash",
        alpha=0.8,
        images=[{"niqe": 5.0}],
        health_warnings=["finetune: color_drift"],
        mismatches=["psnr_y is off"],
    )
    assert evidence.to_dict() == {
        "results": {},
        "evaluation": "hash",
        "alpha": 0.8,
        "pictures": [{"niqe": 5.0}],
        "alarms": ["finetune: color_drift"],
        "departures": ["psnr_y is off"],
    }


def test_the_hash_of_an_evaluation_is_frozen() -> None:
    pair = PairEntry(
        name="test/a/1", split="test", set="Set5", hr_sha256=64 * "1", lr_sha256=64 * "2",
        height=32, width=40,
    )  # fmt: skip
    frozen = "90f7a444a6bfcecd12eab3c5c7e4960792496703e827bd9023e4bf52ef437809"
    assert evaluation_hash(results("Set5"), [pair]) == frozen


def test_the_same_images_in_other_sets_are_another_evaluation(store: PairStore) -> None:
    test = [entry for entry in store.entries if entry.split == "test"]
    moved = [replace(entry, set="mine") for entry in test]
    renamed = [replace(entry, name=f"{entry.name}2") for entry in test]
    champion, candidate, *others = (
        evaluation_hash(results("Set5"), pairs) for pairs in (test, moved, renamed, test[:-1])
    )
    assert len({champion, candidate, *others}) == 4
    found = check_gates(
        Evidence(results=results("mine"), evaluation=candidate, alpha=0.8),
        Evidence(results=results("Set5"), evaluation=champion, alpha=0.8),
        RegisterConfig(metric="niqe"),
    )
    assert [result.figures for result in found if not result.holds] == [
        "the champion was measured on other test images or sets, or by other code; compare by "
        "hand and promote it"
    ]
