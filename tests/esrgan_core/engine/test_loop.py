import math
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import Pair, PatchSampler
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.loop import DivergedError, DivergenceGuard, PeriodicAction, fit
from esrgan_core.engine.steps import SKIPPED, GanStep
from tests.support.states import tensors
from tests.support.steps import gan_step

CPU = torch.device("cpu")


def batches(store: PairStore, done: int = 0) -> Iterator[Pair]:
    sampler = PatchSampler(store, patch_size=32, batch_size=2, seed=0)
    return (sampler.batch(step).to(CPU) for step in count(done + 1))


def silent(number: int, terms: Mapping[str, float]) -> None:
    del number, terms


def full(number: int) -> float:
    del number
    return 1.0


def ending(number: int) -> float:
    return 1 - number / 6


def run(step: GanStep, store: PairStore, done: int, steps: int, checkpoints: Checkpoints) -> None:
    save = PeriodicAction(steps=2, action=lambda number: checkpoints.save(number, step.state()))
    fit(
        step,
        batches(store, done),
        ending,
        done=done,
        steps=6,
        report=silent,
        report_every=1,
        guard=DivergenceGuard(),
        actions=[save] if steps == 6 else [save, PeriodicAction(steps=steps, action=stop)],
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
        expected, found = tensors(part.state_dict()), tensors(again.state()[name].state_dict())
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name


def fit_plainly(
    store: PairStore,
    steps: int,
    *,
    bad: set[int] = frozenset(),  # type: ignore[assignment]
    guard: DivergenceGuard | None = None,
    report: Callable[[int, Mapping[str, float]], None] = silent,
    **others: Any,
) -> int:
    """Run steps of which some get images that are not finite."""

    def poisoned() -> Iterator[Pair]:
        for number, pair in enumerate(batches(store), start=1):
            yield Pair(lr=pair.lr, hr=pair.hr * (math.nan if number in bad else 1))

    return fit(
        gan_step(),
        poisoned(),
        full,
        done=0,
        steps=steps,
        report=report,
        report_every=2,
        guard=guard or DivergenceGuard(),
        **others,
    )


def test_reports_and_actions_come_when_due_and_at_the_end(store: PairStore) -> None:
    reported: list[int] = []
    acted: list[int] = []
    last = fit_plainly(
        store,
        5,
        report=lambda number, terms: reported.append(number),
        actions=[PeriodicAction(steps=3, action=acted.append)],
    )
    assert (last, reported, acted) == (5, [2, 4, 5], [3, 5])


def test_bad_steps_are_counted_and_what_is_not_finite_is_not_reported(store: PairStore) -> None:
    reports: list[Mapping[str, float]] = []
    fit_plainly(store, 4, bad={1, 2}, report=lambda number, terms: reports.append(terms))
    first, second = reports
    assert (first[SKIPPED], second[SKIPPED]) == (2, 0)
    assert "g/pixel" not in first
    assert all(math.isfinite(value) for value in (*first.values(), *second.values()))
    assert second["g/pixel"] > 0


def test_too_many_bad_steps_in_a_row_end_the_training_with_the_reason(store: PairStore) -> None:
    with pytest.raises(DivergedError, match=r"3 steps in a row up to step 4.*learning rate"):
        fit_plainly(store, 6, bad={2, 3, 4}, check_every=2)


def test_a_row_of_bad_steps_is_seen_across_checks_and_interruptions(store: PairStore) -> None:
    guard = DivergenceGuard()
    fit_plainly(store, 2, bad={1, 2}, guard=guard, check_every=1)
    again = DivergenceGuard()
    again.load_state_dict(guard.state_dict())
    with pytest.raises(DivergedError, match="up to step 1"):
        fit_plainly(store, 2, bad={1}, guard=again, check_every=1)


def test_rollbacks_halve_the_rate(store: PairStore) -> None:
    guard, rates = DivergenceGuard(), []
    guard.rollbacks = 2
    fit_plainly(store, 2, guard=guard, report=lambda number, terms: rates.append(terms["rate"]))
    assert rates == [0.25]


def test_should_stop_ends_the_training(store: PairStore) -> None:
    seen: list[int] = []

    def should_stop(number: int) -> bool:
        seen.append(number)
        return number == 2

    assert fit_plainly(store, 5, should_stop=should_stop) == 2
    assert seen == [1, 2]
