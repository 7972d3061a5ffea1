from dataclasses import fields, replace

import pytest

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.records import RECORDS, record_hash, to_record
from pipelines.training.adversarial import AdversarialTraining
from pipelines.training.config import TRAINING_RECORDS, TrainingConfig, training_fingerprint
from pipelines.training.pixel import PixelTraining
from pipelines.training.semantic_maps import SemanticMapsConfig

CONFIG = TrainingConfig(steps=10, patch_size=32, batch_size=2, precision="fp32")


def test_reporting_does_not_change_the_fingerprint(store: PairStore) -> None:
    quiet = replace(CONFIG, report_every=7, save_every=9, save_minutes=1.0, keep=3, workers=2)
    assert training_fingerprint(store, CONFIG, {}) == training_fingerprint(store, quiet, {})


def test_everything_that_changes_the_weights_changes_the_fingerprint(store: PairStore) -> None:
    plain = training_fingerprint(store, CONFIG, {})
    for change in (
        {"seed": 1},
        {"batch_size": 3},
        {"ema": 0.5},
        {"precision": "bf16"},
        {"validate_every": 7},
        {"select": SelectConfig(patience=3)},
    ):
        assert training_fingerprint(store, replace(CONFIG, **change), {}) != plain
    assert training_fingerprint(store, CONFIG, {"generator": {"num_blocks": 3}}) != plain


def test_an_unresolved_precision_has_no_fingerprint(store: PairStore) -> None:
    with pytest.raises(ValueError, match="precision must be resolved"):
        training_fingerprint(store, replace(CONFIG, precision="auto"), {})


def test_steps_count_only_if_the_learning_rate_depends_on_them(
    store: PairStore,
) -> None:
    def both(kind: str) -> set[str]:
        schedule = Schedule(kind=kind)  # type: ignore[arg-type]
        configs = (replace(CONFIG, steps=steps, schedule=schedule) for steps in (10, 20))
        return {training_fingerprint(store, config, {}) for config in configs}

    assert len(both("multistep")) == 1
    assert len(both("cosine")) == 2


NOT_RECORDED = {
    "compile", "checkpointing", "deterministic", "workers", "save_every", "save_minutes", "keep",
    "report_every", "accumulate", "start", "discriminator_start",
}  # fmt: skip
"""Fields that change the weights by rounding at most, or name weights, whose content counts."""
KINDS = (TrainingConfig, PixelTraining, AdversarialTraining, SemanticMapsConfig)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_has_every_field_that_decides_weights(kind: type) -> None:
    found = TRAINING_RECORDS[kind.__name__]
    names = {field.name for field in fields(kind)}
    assert found.names.keys() == names - NOT_RECORDED
    assert found.absent.keys() <= set(found.names.values())


def test_the_table_has_no_other_class() -> None:
    assert TRAINING_RECORDS.keys() - RECORDS.keys() == {kind.__name__ for kind in KINDS}
    assert len({found.kind for found in TRAINING_RECORDS.values()}) == len(TRAINING_RECORDS)


def test_hashes_do_not_change() -> None:
    """A failure means that every existing checkpoint is lost: see esrgan_core/records.py."""
    common = {"steps": 10, "patch_size": 32, "batch_size": 2, "precision": "fp32"}
    pixel = PixelTraining(**common)  # type: ignore[arg-type]
    adversarial = AdversarialTraining(**common)  # type: ignore[arg-type]
    found = [record_hash(one, TRAINING_RECORDS)[:8] for one in (pixel, adversarial)]
    assert found == ["f38f5f67", "6ee0e4e9"]


def test_fields_that_only_change_rounding_are_not_recorded() -> None:
    config = PixelTraining(
        steps=10, patch_size=32, batch_size=2, optimizer=OptimizerConfig(learning_rate=1e-3),
        accumulate=2, compile="default", checkpointing=True, deterministic=True, workers=3,
        save_every=7, save_minutes=8.0, keep=9, report_every=11,
    )  # fmt: skip
    assert not NOT_RECORDED & to_record(config, TRAINING_RECORDS).keys()
