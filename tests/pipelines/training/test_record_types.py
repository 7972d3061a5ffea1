from dataclasses import fields

import pytest

from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.records import RECORDS, record_hash, to_record
from pipelines.training.adversarial import AdversarialTraining
from pipelines.training.config import TrainingConfig
from pipelines.training.pixel import PixelTraining
from pipelines.training.record_types import TRAINING_RECORDS
from pipelines.training.semantic_maps import SemanticMapsConfig

NOT_RECORDED = {
    "compile", "checkpointing", "deterministic", "workers", "save_every", "save_minutes", "keep",
    "report_every", "accumulate",
}  # fmt: skip
"""Fields that change the weights by rounding at most."""
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
