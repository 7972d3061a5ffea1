from dataclasses import replace

import pytest

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from pipelines.training.config import TrainingConfig
from pipelines.training.fingerprint import training_fingerprint

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
