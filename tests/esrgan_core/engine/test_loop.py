import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import Pair, PatchSampler
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.loop import DivergedError, Every, fit
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.steps import SKIPPED, GanStep
from tests.esrgan_core.engine.test_steps import gan_step

COSINE = Schedule(kind="cosine", warmup=2)


def batches(store: PairStore) -> PatchSampler:
    return PatchSampler(store, patch_size=32, batch_size=2, seed=0)


def run(step: GanStep, store: PairStore, done: int, steps: int, checkpoints: Checkpoints) -> None:
    save = Every(steps=2, action=lambda number: checkpoints.save(number, step.state()))
    fit(
        step,
        batches(store).batch,
        COSINE,
        done=done,
        steps=6,
        report=lambda number, terms: None,
        report_every=1,
        due=[save] if steps == 6 else [save, Every(steps=steps, action=stop)],
    )


def stop(number: int) -> None:
    raise KeyboardInterrupt(number)


def test_a_run_that_was_cut_ends_in_the_same_bits(store: PairStore, tmp_path: Path) -> None:
    whole = gan_step()
    run(whole, store, 0, 6, Checkpoints(tmp_path / "whole"))

    cut = gan_step()
    with pytest.raises(KeyboardInterrupt):
        run(cut, store, 0, 5, Checkpoints(tmp_path / "cut"))
    again = gan_step()
    checkpoints = Checkpoints(tmp_path / "cut")
    done = checkpoints.restore(again.state(), at_most=6)
    assert done == 4
    run(again, store, done, 6, checkpoints)

    for name, part in whole.state().items():
        expected, found = flatten(part.state_dict()), flatten(again.state()[name].state_dict())
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name


def flatten(value: object, prefix: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    if isinstance(value, Mapping):
        parts = [flatten(inner, f"{prefix}.{key}") for key, inner in value.items()]
        return {key: tensor for part in parts for key, tensor in part.items()}
    return {}


def test_reports_and_actions_come_when_due_and_at_the_end(store: PairStore) -> None:
    reported: list[tuple[int, float]] = []
    acted: list[int] = []
    fit(
        gan_step(),
        batches(store).batch,
        COSINE,
        done=0,
        steps=5,
        report=lambda number, terms: reported.append((number, terms["rate"])),
        report_every=2,
        due=[Every(steps=3, action=acted.append)],
    )
    assert [number for number, _ in reported] == [2, 4, 5]
    assert reported[0][1] == 1
    assert reported[-1][1] == pytest.approx(0)
    assert acted == [3, 5]


def fit_with(bad: set[int], store: PairStore, steps: int) -> list[Mapping[str, float]]:
    """What is reported when some steps get pictures that are not finite."""

    def batch(number: int) -> Pair:
        good = batches(store).batch(number)
        return Pair(lr=good.lr, hr=good.hr * (math.nan if number in bad else 1))

    reports: list[Mapping[str, float]] = []
    fit(
        gan_step(),
        batch,
        COSINE,
        done=0,
        steps=steps,
        report=lambda number, terms: reports.append(terms),
        report_every=2,
    )
    return reports


def test_bad_steps_are_counted_and_what_is_not_finite_is_not_reported(store: PairStore) -> None:
    first, second = fit_with({1, 2}, store, 4)
    assert (first[SKIPPED], second[SKIPPED]) == (2, 0)
    assert "g/pixel" not in first
    assert all(math.isfinite(value) for value in (*first.values(), *second.values()))
    assert second["g/pixel"] > 0


def test_too_many_bad_steps_in_a_row_end_the_training_with_the_reason(store: PairStore) -> None:
    with pytest.raises(DivergedError, match=r"3 steps in a row up to step 4.*learning rate"):
        fit_with({2, 3, 4}, store, 6)


def test_what_stands_between_steps_may_end_the_training(store: PairStore) -> None:
    seen: list[int] = []

    def between(number: int) -> None:
        seen.append(number)
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            gan_step(), batches(store).batch, COSINE, done=0, steps=5, report=lambda *_: None,
            report_every=1, between=between,
        )  # fmt: skip
    assert seen == [1, 2]
