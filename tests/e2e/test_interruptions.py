"""Trainings that are stopped, killed or orphaned, in the real stages; `make soak` does it more."""

import signal
from random import Random

import pytest

from esrgan_core.engine.checkpoint import Checkpoints
from tests.e2e.trainings import OFTEN, STAGES, Trainings, disturb, orphans, wait_for


@pytest.mark.parametrize("stage", STAGES)
def test_kills_at_any_moment_cost_no_bit(trainings: Trainings, stage: str) -> None:
    assert disturb(trainings, stage, signal.SIGKILL, 5, Random(0)) == []


@pytest.mark.parametrize(
    ("stage", "number"), [("pretrain", signal.SIGTERM), ("finetune", signal.SIGINT)]
)
def test_a_stop_is_heeded_between_steps_and_resumed_to_the_same_bits(
    trainings: Trainings, stage: str, number: signal.Signals
) -> None:
    assert disturb(trainings, stage, number, 2, Random(1)) == []


def test_a_stop_is_said(trainings: Trainings) -> None:
    process = trainings.start("pretrain", "said")
    wait_for(lambda: trainings.steps_done("pretrain", "said") >= 3)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    saved = trainings.saved("pretrain", "said")
    assert f"stopped by SIGTERM after step {saved}, saved" in printed
    assert f"going on after step {saved} of" in trainings.finish("pretrain", "said")


def test_a_second_training_of_the_same_is_refused_at_once(trainings: Trainings) -> None:
    first = trainings.start("pretrain", "twice")
    wait_for(lambda: trainings.steps_done("pretrain", "twice") >= 1)
    # held where it is, so that it is not done before the second one comes
    first.send_signal(signal.SIGSTOP)
    second = trainings.start("pretrain", "twice")
    printed, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"process {first.pid} in {trainings.folder} is training in" in printed


def test_another_training_waits_for_the_device_and_says_for_whom(trainings: Trainings) -> None:
    state = "turns"
    first = trainings.start("pretrain", state)
    wait_for(lambda: trainings.steps_done("pretrain", state) >= 1)
    first.send_signal(signal.SIGSTOP)
    second = trainings.start("finetune", state)
    wait_for(lambda: trainings.checkpoints("finetune", state) is not None)
    first.send_signal(signal.SIGCONT)
    printed, _ = second.communicate(timeout=120)
    assert second.returncode == 0, printed
    assert f"waiting for cpu, which process {first.pid} in {trainings.folder} trains on" in printed
    assert trainings.intact("finetune", state)


def test_usr1_saves_and_goes_on(trainings: Trainings) -> None:
    process = trainings.start("pretrain", "saved")
    wait_for(lambda: trainings.steps_done("pretrain", "saved") >= 3)
    due = OFTEN["pretrain"]["save_every"]

    def saved_when_asked() -> bool:
        # asked again, in case that it was just when a state was due anyhow
        process.send_signal(signal.SIGUSR1)
        folder = trainings.checkpoints("pretrain", "saved")
        assert folder
        steps = Checkpoints(folder).steps()
        return any(step % due and step < OFTEN["pretrain"]["steps"] for step in steps)

    wait_for(saved_when_asked)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert trainings.intact("pretrain", "saved")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_training_outlives_dvc(trainings: Trainings, number: signal.Signals) -> None:
    assert orphans(trainings, number, f"orphan-{number.name}", Random(2)) == []
