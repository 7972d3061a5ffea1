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
from esrgan_core.engine.execution import DEFAULT_EXECUTION, Execution
from esrgan_core.engine.loop import DivergedError
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.signals import InterruptedTrainingError
from esrgan_core.engine.steps import PixelStep, Terms
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import load_generator
from esrgan_core.precision import Precision
from pipelines.config.artifacts import PAIRS
from pipelines.config.errors import UserError
from pipelines.runtime.run_record import training_precision
from pipelines.training.config import TrainingConfig
from pipelines.training.stage import train

CONFIG = TrainingConfig(steps=10, patch_size=32, batch_size=2, precision="fp32")


class FailingStep(PixelStep):
    """A step with values that are not finite at some calls."""

    def __init__(
        self,
        *,
        images_at: range = range(0),
        weights_at: int = -1,
        rates_at: range = range(0),
        execution: Execution = DEFAULT_EXECUTION,
    ) -> None:
        torch.manual_seed(0)
        config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr")
        optimizer = OptimizerConfig(learning_rate=1e-3)
        super().__init__(RRDBNet(config), optimizer, ema=0.9, execution=execution)
        self.images_at, self.weights_at, self.calls = images_at, weights_at, 0
        self.rates_at = rates_at
        self.rates: list[float] = []

    def __call__(self, pair: Pair, rate: float) -> Terms:
        self.calls += 1
        self.rates.append(rate)
        if self.calls == self.weights_at:
            next(self.generator.parameters()).data.fill_(float("inf"))
        if self.calls in self.images_at:
            pair = Pair(lr=pair.lr, hr=pair.hr * float("nan"))
        # such a learning rate spoils the averaged weights in a step that is not skipped
        return super().__call__(pair, float("nan") if self.calls in self.rates_at else rate)


class IdleStep(FailingStep):
    """A step with learning rate 0."""

    def __call__(self, pair: Pair, rate: float) -> Terms:
        return super().__call__(pair, 0.0)


LONG = replace(CONFIG, steps=120, validate_every=60, save_every=20, report_every=20)


@pytest.fixture
def run(
    store: PairStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[FailingStep, TrainingConfig], dict[str, Any]]:
    """Trains in a temporary folder; returns the content of metrics.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    PAIRS.parent.mkdir()
    PAIRS.symlink_to(store.root)

    def run_training(step: FailingStep, config: TrainingConfig) -> dict[str, Any]:
        train("pretrain", lambda _: step, config, identity={})
        content = (tmp_path / "artifacts/pretrain/metrics.json").read_text()
        return dict(json.loads(content))

    return run_training


Train = Callable[[FailingStep, TrainingConfig], dict[str, Any]]


def outputs_after(run: Train, folder: Path, *lengths: int, keep: int = 2) -> dict[str, bytes]:
    """The outputs after trainings of these lengths, one after the other."""
    for steps in lengths:
        run(FailingStep(), replace(LONG, steps=steps, validate_every=20, report_every=8, keep=keep))
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
def test_earlier_trainings_do_not_change_the_outputs(
    run: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lengths: tuple[int, ...],
    keep: int,
) -> None:
    # 30 is a multiple of neither validate_every nor report_every
    pieces = outputs_after(run, tmp_path, *lengths, keep=keep)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "other"))
    whole = outputs_after(run, tmp_path, lengths[-1])
    assert pieces.keys() == whole.keys()
    assert [name for name in whole if pieces[name] != whole[name]] == []


def test_a_shorter_interrupted_training_does_not_affect_a_longer_one(
    run: Train, tmp_path: Path
) -> None:
    class Interrupted(FailingStep):
        def __call__(self, pair: Pair, rate: float) -> Terms:
            if self.calls == 25:
                raise KeyboardInterrupt
            return super().__call__(pair, rate)

    whole = outputs_after(run, tmp_path, 60)
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(), replace(LONG, steps=30, validate_every=20, report_every=8))
    again = FailingStep()
    run(again, replace(LONG, steps=60, validate_every=20, report_every=8))
    assert again.calls == 0
    assert outputs_after(run, tmp_path) == whole


@pytest.mark.parametrize("failure", [{"images_at": range(70, 76)}, {"weights_at": 70}])
def test_a_divergence_is_rolled_back_with_half_the_learning_rate(
    run: Train, failure: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    step = FailingStep(**failure)
    assert run(step, LONG)["steps"] == 120
    # detected at step 100; the checkpoint of step 80 is intact if only images were bad
    back = 80 if "images_at" in failure else 60
    assert f"rolled back to step {back}, learning rate times 0.5" in capsys.readouterr().err
    assert step.rates == [1.0] * 100 + [0.5] * (120 - back)
    assert all(bool(tensor.isfinite().all()) for tensor in step.ema.network.state_dict().values())


@pytest.mark.parametrize(
    ("precision", "remedy"),
    [
        ("fp32", "lower the learning rate"),
        ("bf16", "lower the learning rate, or set pretrain.precision to fp32"),
    ],
)
def test_a_training_that_keeps_diverging_ends_with_the_reason(
    run: Train, precision: Precision, remedy: str
) -> None:
    execution = Execution(precision=precision)
    step = FailingStep(images_at=range(1, 10**6), execution=execution)
    with pytest.raises(DivergedError, match=rf"10 steps in a row up to step 50 .*{remedy}$"):
        run(step, LONG)
    assert step.rates == [1.0] * 50 + [0.5] * 10 + [0.25] * 10 + [0.125] * 10


def test_a_network_that_is_not_finite_is_not_written(run: Train, tmp_path: Path) -> None:
    with pytest.raises(
        DivergedError, match="no network up to step 2 has finite weights and results"
    ):
        run(FailingStep(rates_at=range(1, 10**6)), replace(CONFIG, steps=2))
    assert not (tmp_path / "artifacts/pretrain").exists()


def test_a_last_step_that_spoils_the_only_network_is_rolled_back(
    run: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = FailingStep(rates_at=range(10, 11))
    assert run(step, CONFIG)["selected"]["step"] == 10
    assert "rolled back to step 0, learning rate times 0.5" in capsys.readouterr().err
    assert load_generator(tmp_path / "artifacts/pretrain/generator.safetensors")


def test_a_validation_with_results_that_are_not_finite_has_no_metrics(
    run: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Overflowing(FailingStep):
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
    assert run(Overflowing(), config)["selected"]["step"] == 10
    printed = capsys.readouterr().err
    assert re.search(
        r"the validation at step 5 has no metrics: .*: the network's result is not finite", printed
    )
    curve = pd.read_csv(tmp_path / "artifacts/pretrain/curve.csv", index_col="step")
    assert curve["val/psnr_y"].isna().to_dict() == {0: False, 5: True, 10: False}
    samples = tmp_path / "artifacts/pretrain/samples"
    assert sorted(path.name for path in samples.iterdir()) == ["00000000", "00000010"]


def test_a_plateau_ends_the_training(run: Train, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(LONG, validate_every=5, select=SelectConfig(metric="rmse_y", patience=1))
    metrics = run(IdleStep(), config)
    assert (metrics["steps"], metrics["selected"]["step"]) == (10, 5)
    assert "no better network in 1 validations; stopping at step 10" in capsys.readouterr().err
    # and does not continue
    again = IdleStep()
    assert run(again, config) == metrics
    assert again.calls == 0


def test_a_training_continues_on_a_full_disk(
    run: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7))
    assert run(FailingStep(), LONG)["steps"] == 120
    assert "step 20 was not saved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("free", "message"),
    [(7, "after step 30, which was not saved; the last saved step is 0"), (None, "step 30, saved")],
)
def test_a_stopped_training_names_the_saved_step(
    run: Train, monkeypatch: pytest.MonkeyPatch, free: int | None, message: str
) -> None:
    class Stopped(FailingStep):
        def __call__(self, pair: Pair, rate: float) -> Terms:
            terms = super().__call__(pair, rate)
            if self.calls == 30:
                if free is not None:
                    monkeypatch.setattr(
                        "shutil.disk_usage", lambda path: SimpleNamespace(free=free)
                    )
                os.kill(os.getpid(), signal.SIGTERM)
            return terms

    with pytest.raises(InterruptedTrainingError, match=message):
        run(Stopped(), replace(LONG, save_every=1000))


def test_checkpoints_in_the_other_precision_are_named(
    run: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run(FailingStep(), CONFIG)
    assert "to continue it" not in capsys.readouterr().err
    half = FailingStep(execution=Execution(precision="bf16"))
    run(half, CONFIG)
    assert re.search(
        r"checkpoints/pretrain/\w+ has step 10 of this recipe in fp32; to continue it, "
        r"set pretrain.precision to fp32",
        capsys.readouterr().err,
    )
    assert half.calls == 10
    run(FailingStep(execution=Execution(precision="bf16")), CONFIG)
    assert "to continue it" not in capsys.readouterr().err


def test_the_precision_is_recorded(run: Train) -> None:
    assert run(FailingStep(), CONFIG)["precision"] == "fp32"
    assert training_precision("pretrain") == "fp32"
    assert training_precision("download") == ""


def test_a_checkpoint_is_saved_after_some_minutes(run: Train, tmp_path: Path) -> None:
    run(FailingStep(), replace(LONG, steps=5, save_every=1000, save_minutes=1e-9, keep=9))
    assert len(list(tmp_path.glob("state/checkpoints/pretrain/*/step_*.pt"))) == 6


def test_patches_larger_than_an_image_are_a_user_error(run: Train) -> None:
    with pytest.raises(UserError, match="under 4096"):
        run(FailingStep(), replace(CONFIG, patch_size=4096))
