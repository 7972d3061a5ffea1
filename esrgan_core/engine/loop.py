"""The loop around a step: it draws batches, sets the rate, reports, and does what is due."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.steps import Step

Report = Callable[[int, Mapping[str, float]], None]


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
) -> None:
    """Run steps `done + 1` to `steps`, and report the terms of every `report_every`-th.

    The next batch is drawn while the present one is computed.

    Raises:
        FloatingPointError: if a reported term is not finite.
    """
    if done >= steps:
        return
    with ThreadPoolExecutor(max_workers=1) as drawer:
        coming = drawer.submit(batch, done + 1)
        for number in range(done + 1, steps + 1):
            pair = coming.result()
            coming = drawer.submit(batch, number + 1)
            rate = schedule.factor(number, steps)
            terms = step(pair, rate)
            if number % report_every == 0 or number == steps:
                # reading a term waits for the device
                values = {name: float(term) for name, term in terms.items()}
                _insist_finite(number, values)
                report(number, values | {"rate": rate})
            for action in due:
                if number % action.steps == 0 or number == steps:
                    action.action(number)


def _insist_finite(number: int, values: Mapping[str, float]) -> None:
    if bad := {name: value for name, value in values.items() if not math.isfinite(value)}:
        raise FloatingPointError(f"step {number}: {bad}; lower the learning rate, or use fp32")
