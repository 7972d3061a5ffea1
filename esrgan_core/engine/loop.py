"""The loop around a step: it takes batches, sets the rate, reports, and does what is due."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import SINGLE_PROCESS, World
from esrgan_core.engine.steps import SKIPPED, Step

PATIENCE = 3
"""Steps in a row that may be skipped: one bad batch is bad luck, more are a divergence."""
LOOK_EVERY = 50
"""Steps between looks for a divergence, since each look waits for the device."""
MAX_ROLLBACKS = 3
"""Times that a training is set back to its last state before it is given up."""
Report = Callable[[int, Mapping[str, float]], None]


class DivergedError(FloatingPointError):
    """The training no longer takes steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Every:
    """Something to do after each `steps`-th step, and after the last unless it is `strict`."""

    steps: int
    action: Callable[[int], None]
    strict: bool = False


class DivergenceGuard:
    """Skipped steps and setbacks; a part of the training's state.

    Skips are counted on the device, where reading them would cost a wait.
    """

    def __init__(self) -> None:
        self.total, self.row, self.longest = torch.zeros(3).unbind()
        self.setbacks = 0

    @property
    def factor(self) -> float:
        """What the rate is multiplied with: half for each setback."""
        return 0.5**self.setbacks

    def count(self, skipped: Tensor) -> None:
        """Take in one step: 1 if it was skipped, 0 if not."""
        self.total = self.total.to(skipped.device) + skipped
        self.row = (self.row.to(skipped.device) + 1) * skipped
        self.longest = torch.maximum(self.longest.to(skipped.device), self.row)

    def since_report(self, *, forget: bool = True) -> float:
        """How many were skipped since this was last asked and forgotten."""
        total = float(self.total)
        if forget:
            self.total = torch.zeros(())
        return total

    def look(self, number: int, *, forget: bool = True) -> None:
        """Look back at the steps since the last look.

        Raises:
            DivergedError: if too many were skipped in a row.
        """
        longest = float(self.longest)
        if forget:
            self.longest = torch.zeros(())
        if longest >= PATIENCE:
            raise DivergedError(
                f"{longest:.0f} steps in a row up to step {number} had a loss or gradient that "
                "was not finite; lower the learning rate"
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything that must survive."""
        return {
            "total": float(self.total),
            "row": float(self.row),
            "longest": float(self.longest),
            "setbacks": self.setbacks,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.total = torch.tensor(state["total"])
        self.row = torch.tensor(state["row"])
        self.longest = torch.tensor(state["longest"])
        self.setbacks = state["setbacks"]


def fit(
    step: Step,
    batches: Iterator[Pair],
    rate: Callable[[int], float],
    *,
    done: int,
    steps: int,
    report: Report,
    report_every: int,
    trouble: DivergenceGuard,
    due: Sequence[Every] = (),
    between: Callable[[int], bool] = lambda number: False,
    look_every: int = LOOK_EVERY,
    world: World = SINGLE_PROCESS,
) -> int:
    """Run steps `done + 1` to `steps`, and report the terms of every `report_every`-th.

    `between` is called after every step, when all that is due at it has been done; the training
    ends where it says True, or raises. A step that had to leave the weights alone counts as
    skipped; terms that are not finite are not reported.

    Args:
        step: the update.
        batches: those of the steps to run, in order.
        rate: what the learning rates are multiplied with at a step, before setbacks.
        done: steps behind it.
        steps: the last one.
        report: takes a step and its terms, `rate` and the steps skipped since the last report.
        report_every: steps between reports.
        trouble: counts what is skipped; its setbacks lower the rate.
        due: what else is to be done at some steps.
        between: whether to end.
        look_every: steps between looks for a divergence.
        world: the processes that share each batch; terms are means over them.

    Returns:
        The last step that was run.

    Raises:
        DivergedError: if `PATIENCE` steps or more in a row were skipped.
    """
    for number in range(done + 1, steps + 1):
        last = number == steps
        factor = rate(number) * trouble.factor
        terms = step(next(batches), factor)
        trouble.count(terms.pop(SKIPPED))
        # a last step out of turn changes nothing: a longer training may go on from it
        if number % look_every == 0 or last:
            trouble.look(number, forget=number % look_every == 0)
        in_turn = number % report_every == 0
        if in_turn or last:
            # reading the terms waits for the device
            values = world.mean(torch.stack([term.float() for term in terms.values()])).tolist()
            finite = {
                name: value
                for name, value in zip(terms, values, strict=True)
                if math.isfinite(value)
            }
            skipped = trouble.since_report(forget=in_turn)
            report(number, finite | {"rate": factor, SKIPPED: skipped})
        for each in due:
            if number % each.steps == 0 or (last and not each.strict):
                each.action(number)
        if between(number):
            return number
    return max(done, steps)
