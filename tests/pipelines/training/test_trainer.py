import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import Pair
from esrgan_core.devices import Precision
from esrgan_core.engine.execution import DEFAULT_EXECUTION, Execution
from esrgan_core.engine.loop import DivergedError
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.signals import InterruptedTrainingError
from esrgan_core.engine.steps import PixelStep, Terms
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from esrgan_core.models.weights import load_generator
from pipelines.runtime.run_record import training_precision
from pipelines.training.config import TrainingConfig, fingerprint_of
from pipelines.training.trainer import train

CONFIG = TrainingConfig(steps=10, patch_size=32, batch_size=2, precision="fp32")


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


def test_a_precision_that_is_not_resolved_has_no_fingerprint(store: PairStore) -> None:
    with pytest.raises(ValueError, match="precision must be resolved"):
        fingerprint_of(store, replace(CONFIG, precision="auto"), {})


def test_the_number_of_steps_counts_only_where_the_rate_depends_on_it(store: PairStore) -> None:
    def both(kind: str) -> set[str]:
        schedule = Schedule(kind=kind)  # type: ignore[arg-type]
        configs = (replace(CONFIG, steps=steps, schedule=schedule) for steps in (10, 20))
        return {fingerprint_of(store, config, {}) for config in configs}

    assert len(both("multistep")) == 1
    assert len(both("cosine")) == 2


class Stumbling(PixelStep):
    """A step that meets something not finite at some calls."""

    def __init__(
        self,
        *,
        pictures_at: range = range(0),
        weights_at: int = -1,
        rates_at: range = range(0),
        execution: Execution = DEFAULT_EXECUTION,
    ) -> None:
        torch.manual_seed(0)
        config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr")
        optimizer = OptimizerConfig(learning_rate=1e-3)
        super().__init__(RRDBNet(config), optimizer, ema=0.9, execution=execution)
        self.pictures_at, self.weights_at, self.calls = pictures_at, weights_at, 0
        self.rates_at = rates_at
        self.rates: list[float] = []

    def __call__(self, pair: Pair, rate: float) -> Terms:
        self.calls += 1
        self.rates.append(rate)
        if self.calls == self.weights_at:
            next(self.generator.parameters()).data.fill_(float("inf"))
        if self.calls in self.pictures_at:
            pair = Pair(lr=pair.lr, hr=pair.hr * float("nan"))
        # such a rate leaves an average that is not finite without a step that is skipped
        return super().__call__(pair, float("nan") if self.calls in self.rates_at else rate)


class Idle(Stumbling):
    """A step that betters nothing: its rate is 0."""

    def __call__(self, pair: Pair, rate: float) -> Terms:
        return super().__call__(pair, 0.0)


LONG = replace(CONFIG, steps=120, validate_every=60, save_every=20, report_every=20)


@pytest.fixture
def trained(
    store: PairStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Stumbling, TrainingConfig], dict[str, Any]]:
    """Trains in a folder of its own; gives what metrics.json says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))

    def run(step: Stumbling, config: TrainingConfig) -> dict[str, Any]:
        execution = step.execution
        assert train("pretrain", step, store, config, execution=execution, identity={})
        content = (tmp_path / "artifacts/pretrain/metrics.json").read_text()
        return dict(json.loads(content))

    return run


FlatOptimizer = Callable[[Stumbling, TrainingConfig], dict[str, Any]]


def left_by(trained: FlatOptimizer, folder: Path, *lengths: int, keep: int = 2) -> dict[str, bytes]:
    """What trainings of these lengths, one after the other, leave in the end."""
    for steps in lengths:
        trained(
            Stumbling(), replace(LONG, steps=steps, validate_every=20, report_every=8, keep=keep)
        )
    artifacts = folder / "artifacts" / "pretrain"
    return {
        str(path.relative_to(artifacts)): path.read_bytes()
        for path in artifacts.rglob("*")
        if path.is_file() and path.name != "usage.csv"
    }


@pytest.mark.parametrize("keep", [1, 9])
@pytest.mark.parametrize(
    "lengths", [(30, 70), (60, 30, 60), (30, 60, 30), (70, 30, 45, 30, 70)], ids=str
)
def test_what_came_before_changes_nothing_of_what_a_training_leaves(
    trained: FlatOptimizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lengths: tuple[int, ...],
    keep: int,
) -> None:
    # 30 is a multiple of neither what validates nor what reports
    pieces = left_by(trained, tmp_path, *lengths, keep=keep)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "other"))
    whole = left_by(trained, tmp_path, lengths[-1])
    assert pieces.keys() == whole.keys()
    assert [name for name in whole if pieces[name] != whole[name]] == []


def test_a_shorter_training_that_is_cut_costs_the_longer_one_nothing(
    trained: FlatOptimizer, tmp_path: Path
) -> None:
    class Cut(Stumbling):
        def __call__(self, pair: Pair, rate: float) -> Terms:
            if self.calls == 25:
                raise KeyboardInterrupt
            return super().__call__(pair, rate)

    whole = left_by(trained, tmp_path, 60)
    with pytest.raises(KeyboardInterrupt):
        trained(Cut(), replace(LONG, steps=30, validate_every=20, report_every=8))
    again = Stumbling()
    trained(again, replace(LONG, steps=60, validate_every=20, report_every=8))
    assert again.calls == 0
    assert left_by(trained, tmp_path) == whole


@pytest.mark.parametrize("trouble", [{"pictures_at": range(70, 76)}, {"weights_at": 70}])
def test_a_divergence_is_set_back_with_half_the_rate(
    trained: FlatOptimizer, trouble: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    step = Stumbling(**trouble)
    assert trained(step, LONG)["steps"] == 120
    # noticed at step 100; the state of step 80 is sound if only images were bad
    back = 80 if "pictures_at" in trouble else 60
    assert f"back to step {back} with 0.5 times the rate" in capsys.readouterr().err
    assert step.rates == [1.0] * 100 + [0.5] * (120 - back)
    assert all(bool(tensor.isfinite().all()) for tensor in step.ema.network.state_dict().values())


@pytest.mark.parametrize(
    ("precision", "remedy"),
    [
        ("fp32", "lower the learning rate"),
        ("bf16", "lower the learning rate, or set pretrain.precision to fp32"),
    ],
)
def test_a_training_that_keeps_diverging_is_given_up_with_the_reason(
    trained: FlatOptimizer, precision: Precision, remedy: str
) -> None:
    execution = Execution(precision=precision)
    step = Stumbling(pictures_at=range(1, 10**6), execution=execution)
    with pytest.raises(DivergedError, match=rf"10 steps in a row up to step 50 .*{remedy}$"):
        trained(step, LONG)
    assert step.rates == [1.0] * 50 + [0.5] * 10 + [0.25] * 10 + [0.125] * 10


def test_no_network_that_is_not_finite_is_handed_on(trained: FlatOptimizer, tmp_path: Path) -> None:
    with pytest.raises(
        DivergedError, match="no network up to step 2 has weights and results that are finite"
    ):
        trained(Stumbling(rates_at=range(1, 10**6)), replace(CONFIG, steps=2))
    assert not (tmp_path / "artifacts").exists()


def test_a_last_step_that_spoils_the_only_network_is_set_back(
    trained: FlatOptimizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Stumbling(rates_at=range(10, 11))
    assert trained(step, CONFIG)["selected"]["step"] == 10
    assert "back to step 0 with 0.5 times the rate" in capsys.readouterr().err
    assert load_generator(tmp_path / "artifacts/pretrain/generator.safetensors")


def test_results_that_are_not_finite_cost_a_validation_its_figures_alone(
    trained: FlatOptimizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Overflowing(Stumbling):
        def __call__(self, pair: Pair, rate: float) -> Terms:
            weights = list(self.ema.network.parameters())
            if self.calls == 5:
                for weight in weights:
                    weight.data.div_(1e12)
            terms = super().__call__(pair, rate)
            if self.calls == 5:
                for weight in weights:
                    weight.data.mul_(1e12)
            return terms

    config = replace(CONFIG, validate_every=5, report_every=5)
    assert trained(Overflowing(), config)["selected"]["step"] == 10
    said = capsys.readouterr().err
    assert re.search(r"step 5 has no figures: .*: the network's result is not finite", said)
    curve = pd.read_csv(tmp_path / "artifacts/pretrain/curve.csv", index_col="step")
    assert curve["val/psnr_y"].isna().to_dict() == {0: False, 5: True, 10: False}
    samples = tmp_path / "artifacts/pretrain/samples"
    assert sorted(path.name for path in samples.iterdir()) == ["00000000", "00000010"]


def test_a_plateau_ends_the_training(
    trained: FlatOptimizer, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(LONG, validate_every=5, select=SelectConfig(metric="rmse_y", patience=1))
    metrics = trained(Idle(), config)
    assert (metrics["steps"], metrics["selected"]["step"]) == (10, 5)
    assert "no better network in 1 validations; ending at step 10" in capsys.readouterr().err
    # taken up again, it stays ended
    again = Idle()
    assert trained(again, config) == metrics
    assert again.calls == 0


def test_a_full_disk_costs_no_training(
    trained: FlatOptimizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7))
    assert trained(Stumbling(), LONG)["steps"] == 120
    assert "step 20 was not saved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("free", "words"),
    [(7, "after step 30, which was not saved; the last saved step is 0"), (None, "step 30, saved")],
)
def test_a_stop_says_what_was_saved(
    trained: FlatOptimizer, monkeypatch: pytest.MonkeyPatch, free: int | None, words: str
) -> None:
    class Stopped(Stumbling):
        def __call__(self, pair: Pair, rate: float) -> Terms:
            terms = super().__call__(pair, rate)
            if self.calls == 30:
                if free is not None:
                    monkeypatch.setattr(
                        "shutil.disk_usage", lambda path: SimpleNamespace(free=free)
                    )
                os.kill(os.getpid(), signal.SIGTERM)
            return terms

    with pytest.raises(InterruptedTrainingError, match=words):
        trained(Stopped(), replace(LONG, save_every=1000))


def test_checkpoints_in_the_other_precision_are_named(
    trained: FlatOptimizer, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(Stumbling(), CONFIG)
    assert "in fp32" not in capsys.readouterr().err
    half = Stumbling(execution=Execution(precision="bf16"))
    trained(half, CONFIG)
    assert re.search(
        r"checkpoints/pretrain/\w+ has step 10 of this recipe in fp32; to continue it, "
        r"set pretrain.precision to fp32",
        capsys.readouterr().err,
    )
    assert half.calls == 10
    trained(Stumbling(execution=Execution(precision="bf16")), CONFIG)
    assert "to continue it" not in capsys.readouterr().err


def test_the_precision_is_recorded(trained: FlatOptimizer) -> None:
    assert trained(Stumbling(), CONFIG)["precision"] == "fp32"
    assert training_precision("pretrain") == "fp32"
    assert training_precision("download") == ""


def test_minutes_make_a_checkpoint_due(trained: FlatOptimizer, tmp_path: Path) -> None:
    trained(Stumbling(), replace(LONG, steps=5, save_every=1000, save_minutes=1e-9, keep=9))
    assert len(list(tmp_path.glob("state/checkpoints/pretrain/*/step_*.pt"))) == 6
