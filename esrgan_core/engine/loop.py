"""The loop around a step: it draws batches, sets the rate, reports, and does what is due."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.steps import SKIPPED, Step

PATIENCE = 3
"""Steps in a row that may be skipped: one bad batch is bad luck, more are a divergence."""
Report = Callable[[int, Mapping[str, float]], None]


class DivergedError(FloatingPointError):
    """The training no longer takes steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Every:
    """Something to do after each `steps`-th step, and after the last."""

    steps: int
    action: Callable[[int], None]


def fit(
    step: Step,
    batch: Callable[[int], Pair],
    schedule: Schedule,
    *,
    done: int,
    steps: int,
    report: Report,
    report_every: int,
    due: Sequence[Every] = (),
    between: Callable[[int], None] = lambda number: None,
) -> None:
    """Run steps `done + 1` to `steps`, and report the terms of every `report_every`-th.

    The next batch is drawn while the present one is computed. `between` is called after every
    step, when all that is due at it has been done, and may end the training by raising.

    A step that had to leave the weights alone counts as skipped; the count since the last report
    is reported, terms that are not finite are not.

    Raises:
        DivergedError: if all of the last `PATIENCE` steps or more were skipped.
    """
    if done >= steps:
        return
    with ThreadPoolExecutor(max_workers=1) as drawer:
        coming = drawer.submit(batch, done + 1)
        skips = _Skips()
        for number in range(done + 1, steps + 1):
            pair = coming.result()
            coming = drawer.submit(batch, number + 1)
            rate = schedule.factor(number, steps)
            terms = step(pair, rate)
            skips.count(terms.pop(SKIPPED))
            if number % report_every == 0 or number == steps:
                # reading a term waits for the device
                values = {name: float(term) for name, term in terms.items()}
                finite = {name: value for name, value in values.items() if math.isfinite(value)}
                report(number, finite | {"rate": rate, SKIPPED: skips.since_report(number)})
            for action in due:
                if number % action.steps == 0 or number == steps:
                    action.action(number)
            between(number)


class _Skips:
    """Counts skipped steps on the device, where reading them would cost a wait."""

    def __init__(self) -> None:
        self.total, self.row = torch.zeros(()), torch.zeros(())
        self.longest = torch.zeros(())

    def count(self, skipped: Tensor) -> None:
        """Take in one step: 1 if it was skipped, 0 if not."""
        self.total = self.total.to(skipped.device) + skipped
        self.row = (self.row.to(skipped.device) + 1) * skipped
        self.longest = torch.maximum(self.longest.to(skipped.device), self.row)

    def since_report(self, number: int) -> float:
        """How many were skipped since this was last asked.

        Raises:
            DivergedError: if too many came in a row.
        """
        total, longest = float(self.total), float(self.longest)
        self.total, self.longest = torch.zeros(()), torch.zeros(())
        if longest >= PATIENCE:
            raise DivergedError(
                f"{longest:.0f} steps in a row up to step {number} had a loss or gradient that "
                "was not finite; lower the learning rate, or use fp32"
            )
        return total
