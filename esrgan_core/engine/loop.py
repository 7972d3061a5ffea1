"""The training loop: takes batches, sets the rate, reports, and runs periodic actions."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import SINGLE_PROCESS, World
from esrgan_core.engine.steps import SKIPPED, Step

MAX_SKIPPED_RUN = 2
"""Steps in a row that may be skipped: one bad batch may happen, more are a divergence."""
CHECK_EVERY = 50
"""Steps between checks for a divergence, since each check waits for the device."""
MAX_ROLLBACKS = 3
"""Rollbacks to the last saved state before a training fails."""
Report = Callable[[int, Mapping[str, float]], None]


class DivergedError(FloatingPointError):
    """Loss or gradient are no longer finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodicAction:
    """Something to do after each `steps`-th step, and after the last if `at_end`."""

    steps: int
    action: Callable[[int], None]
    at_end: bool = True


class DivergenceGuard:
    """Counts skipped steps and rollbacks; a part of the training's state.

    Skipped steps are counted on the device, since reading them waits for it.
    """

    def __init__(self) -> None:
        self.total, self.row, self.longest = torch.zeros(3).unbind()
        self.rollbacks = 0

    @property
    def factor(self) -> float:
        """Factor of the learning rate: one half for each rollback."""
        return 0.5**self.rollbacks

    def count(self, skipped: Tensor) -> None:
        """Count one step: 1 if it was skipped, 0 if not."""
        self.total = self.total.to(skipped.device) + skipped
        self.row = (self.row.to(skipped.device) + 1) * skipped
        self.longest = torch.maximum(self.longest.to(skipped.device), self.row)

    def skipped_since_report(self, *, reset: bool) -> float:
        """The number of skipped steps since the last reset."""
        total = float(self.total)
        if reset:
            self.total = torch.zeros(())
        return total

    def check(self, step: int, *, reset: bool) -> None:
        """Check the steps up to `step` since the last reset.

        Raises:
            DivergedError: if more than `MAX_SKIPPED_RUN` in a row were skipped.
        """
        longest = float(self.longest)
        if reset:
            self.longest = torch.zeros(())
        if longest > MAX_SKIPPED_RUN:
            raise DivergedError(
                f"{longest:.0f} steps in a row up to step {step} had a loss or gradient that "
                "was not finite; lower the learning rate"
            )

    def state_dict(self) -> dict[str, Any]:
        """The state to save; names on disk do not change."""
        return {
            "total": float(self.total),
            "row": float(self.row),
            "longest": float(self.longest),
            "setbacks": self.rollbacks,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        names = ("total", "row", "longest")
        self.total, self.row, self.longest = (torch.tensor(state[name]) for name in names)
        self.rollbacks = state["setbacks"]


def fit(
    step: Step,
    batches: Iterator[Pair],
    rate: Callable[[int], float],
    *,
    done: int,
    steps: int,
    report: Report,
    report_every: int,
    guard: DivergenceGuard,
    actions: Sequence[PeriodicAction] = (),
    should_stop: Callable[[int], bool] = lambda number: False,
    check_every: int = CHECK_EVERY,
    world: World = SINGLE_PROCESS,
) -> int:
    """Run steps `done + 1` to `steps`, and report the finite terms of every `report_every`-th.

    Args:
        step: the update.
        batches: of the steps to run, in order.
        rate: factor of the learning rates at a step, before rollbacks.
        done: the last step that was taken before.
        steps: the last step.
        report: takes a step and its terms, `rate` and the steps skipped since the last report.
        report_every: steps between reports.
        guard: counts skipped steps; its rollbacks lower the rate.
        actions: run in this order, after the report.
        should_stop: called after every step, after the actions; may raise to stop.
        check_every: steps between checks for a divergence.
        world: the processes that compute each batch; terms are means over them.

    Returns:
        The last step that was run.

    Raises:
        DivergedError: if more than `MAX_SKIPPED_RUN` steps in a row were skipped.
    """
    for number in range(done + 1, steps + 1):
        last = number == steps
        factor = rate(number) * guard.factor
        terms = step(next(batches), factor)
        guard.count(terms.pop(SKIPPED))
        # the extra check and report at the end reset nothing: a longer training may continue
        if number % check_every == 0 or last:
            guard.check(number, reset=number % check_every == 0)
        regular = number % report_every == 0
        if regular or last:
            # reading the terms waits for the device
            values = world.mean(torch.stack([term.float() for term in terms.values()])).tolist()
            named = zip(terms, values, strict=True)
            finite = {name: value for name, value in named if math.isfinite(value)}
            skipped = guard.skipped_since_report(reset=regular)
            report(number, finite | {"rate": factor, SKIPPED: skipped})
        for each in actions:
            if number % each.steps == 0 or (last and each.at_end):
                each.action(number)
        if should_stop(number):
            return number
    return max(done, steps)
