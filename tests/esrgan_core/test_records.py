from dataclasses import dataclass, fields
from typing import Any

import pytest

from esrgan_core.data.pairs import PairEntry, StoreFacts
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import LossWeights
from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
    VGGDiscriminatorConfig,
)
from esrgan_core.records import RECORDS, RecordType, from_fields, record_hash, to_fields, to_record

ENTRY = PairEntry(
    name="train/a", split="train", set="s", hr_sha256="1", lr_sha256="2", height=8, width=9
)
SETTINGS = [
    RRDBNetConfig(),
    SRResNetConfig(),
    SRCNNConfig(),
    SFTNetConfig(),
    VGGDiscriminatorConfig(),
    SRGANDiscriminatorConfig(),
    ClassDiscriminatorConfig(),
    OptimizerConfig(learning_rate=1e-4),
    Schedule(),
    SelectConfig(),
    LossWeights(),
    StoreFacts(scale=4),
    ENTRY,
    UpscaleConfig(),
]

HASHES = {
    "RRDBNetConfig": "ca62197c",
    "SRResNetConfig": "bdb7d544",
    "SRCNNConfig": "9c408d7c",
    "SFTNetConfig": "5daa3f39",
    "VGGDiscriminatorConfig": "af7cbf23",
    "SRGANDiscriminatorConfig": "306572db",
    "ClassDiscriminatorConfig": "d6079c1d",
    "OptimizerConfig": "9f79c9d6",
    "Schedule": "13b384f2",
    "SelectConfig": "453bba5f",
    "LossWeights": "45653882",
    "StoreFacts": "cc6c382e",
    "PairEntry": "0de94cbc",
    "UpscaleConfig": "3cdb45fb",
}


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: type(one).__name__)
def test_the_table_has_every_field(settings: Any) -> None:
    found = RECORDS[type(settings).__name__]
    assert found.names.keys() == {field.name for field in fields(settings)}
    assert len(set(found.names.values())) == len(found.names)
    assert found.absent.keys() <= set(found.names.values())


def test_the_table_has_nothing_else() -> None:
    assert RECORDS.keys() == {type(one).__name__ for one in SETTINGS}
    assert len({found.kind for found in RECORDS.values()}) == len(RECORDS)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: type(one).__name__)
def test_a_record_builds_what_it_was_made_of(settings: Any) -> None:
    assert from_fields(type(settings), to_fields(settings)) == settings


def test_hashes_stay_what_they_were() -> None:
    """A failure here means that every checkpoint is thrown away: see esrgan_core/records.py."""
    found = {type(one).__name__: record_hash(one)[:8] for one in SETTINGS}
    assert found == HASHES


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    rate: float
    momentum: float = 0.9
    novelty: int = 7


RENAMED = {
    "Recipe": RecordType(
        kind="recipe",
        names={"rate": "lr", "momentum": "momentum", "novelty": "novelty"},
        absent={"novelty": 7},
    )
}


def test_a_renamed_field_and_a_new_one_change_no_record() -> None:
    assert to_record(Recipe(rate=0.1), RENAMED) == {"record": "recipe", "lr": 0.1, "momentum": 0.9}
    assert to_record(Recipe(rate=0.1, novelty=8), RENAMED)["novelty"] == 8
    assert from_fields(Recipe, {"lr": 0.1, "momentum": 0.9}, RENAMED) == Recipe(rate=0.1)


def test_a_subclass_is_stored_as_its_base() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Special(Recipe):
        extra: int = 0

    plain = to_record(Recipe(rate=0.1), RENAMED)
    assert to_record(Special(rate=0.1, extra=5), RENAMED) == plain


def test_a_name_that_was_never_stored_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RRDBNet has no \['halo'\]; a newer version"):
        from_fields(RRDBNetConfig, {"halo": 1})


@pytest.mark.parametrize("value", [{1, 2}, b"x", RECORDS, object()])
def test_what_has_no_form_on_disk_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no form on disk"):
        to_record(value)


def test_the_order_of_keys_does_not_count() -> None:
    assert record_hash({"a": 1, "b": [1.0, None]}) == record_hash({"b": (1.0, None), "a": 1})
