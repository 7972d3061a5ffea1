from dataclasses import replace

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from pipelines.training import TrainingConfig, fingerprint_of

CONFIG = TrainingConfig(steps=10, patch_size=32, batch_size=2)


def test_reporting_does_not_change_the_fingerprint(store: PairStore) -> None:
    quiet = replace(CONFIG, report_every=7, save_every=9, save_minutes=1.0, keep=3, workers=2)
    assert fingerprint_of(store, CONFIG, {}) == fingerprint_of(store, quiet, {})


def test_what_changes_the_weights_changes_the_fingerprint(store: PairStore) -> None:
    plain = fingerprint_of(store, CONFIG, {})
    for change in (
        {"seed": 1},
        {"batch_size": 3},
        {"ema": 0.5},
        {"precision": "bf16"},
        {"validate_every": 7},
        {"select": SelectConfig(patience=3)},
    ):
        assert fingerprint_of(store, replace(CONFIG, **change), {}) != plain
    assert fingerprint_of(store, CONFIG, {"generator": {"num_blocks": 3}}) != plain


def test_the_number_of_steps_counts_only_where_the_rate_depends_on_it(store: PairStore) -> None:
    def both(kind: str) -> set[str]:
        schedule = Schedule(kind=kind)  # type: ignore[arg-type]
        configs = (replace(CONFIG, steps=steps, schedule=schedule) for steps in (10, 20))
        return {fingerprint_of(store, config, {}) for config in configs}

    assert len(both("multistep")) == 1
    assert len(both("cosine")) == 2
