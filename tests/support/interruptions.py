"""Ways to interrupt a flow run during its training, and what must be true after each."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from pipelines.runtime.parent_watch import is_alive
from tests.support.flows import LONG, PAUSE, SECONDS_FOR_A_RUN, TERMINAL, Flows
from tests.support.trainings import wait_for

SECONDS_FOR_ORPHANS = 300
SECONDS_OF_GRACE = 20
SECONDS_FOR_A_STATE = 300


def cancel(flows: Flows, run: str, name: str) -> None:
    # the command takes longer to start than the training to end
    with flows.paused(name):
        flows.run("prefect", "flow-run", "cancel", run)


def terminate_flow(flows: Flows, run: str, name: str) -> None:
    del run
    flows.engine(name).terminate()


def kill_flow(flows: Flows, run: str, name: str) -> None:
    del run
    flows.engine(name).kill()


def terminate_worker(flows: Flows, run: str, name: str) -> None:
    del run, name
    worker = flows.worker()
    worker.terminate()
    # it may wait for its flows; service managers kill it after as long as this
    with suppress(AssertionError):
        wait_for(lambda: not is_alive(worker), SECONDS_OF_GRACE, PAUSE)
    if is_alive(worker):
        worker.kill()
    wait_for(lambda: not is_alive(worker), SECONDS_FOR_ORPHANS, PAUSE)


def kill_worker(flows: Flows, run: str, name: str) -> None:
    del run, name
    worker = flows.worker()
    worker.kill()
    wait_for(lambda: not is_alive(worker), SECONDS_FOR_ORPHANS, PAUSE)


def stop_all(flows: Flows, run: str, name: str) -> None:
    del run, name
    flows.local("stop")
    flows.local("start")


def kill_both(flows: Flows, run: str, name: str) -> None:
    engine = flows.engine(name)
    kill_worker(flows, run, name)
    engine.kill()


def kill_dvc(flows: Flows, run: str, name: str) -> None:
    del run
    flows.dvc(name).kill()


Interrupt = Callable[[Flows, str, str], None]
"""Interrupts a run, given its id and its name."""
INTERRUPTIONS: tuple[Interrupt, ...] = (
    cancel,
    terminate_flow,
    kill_flow,
    terminate_worker,
    kill_worker,
    kill_both,
    kill_dvc,
    stop_all,
)


@dataclass
class Interruption:
    """How a run was interrupted, and the problems that were found."""

    description: str
    run: str
    started: float
    problems: list[str]

    def wait(self, flows: Flows) -> list[str]:
        """Wait until the run has a terminal state; all problems."""
        try:
            left = SECONDS_FOR_A_STATE - (time.monotonic() - self.started)
            state = flows.wait(self.run, max(left, 0))
        except AssertionError:
            state = flows.state(self.run)
            self.problems.append(f"the state is {state}")
        seconds = time.monotonic() - self.started
        print(f"  {self.description}: {state} after at most {seconds:.1f} s", flush=True)
        return [f"{self.description}: {problem}" for problem in self.problems]


def interrupt(flows: Flows, name: str, how: Interrupt, random: Random) -> Interruption:
    """Start or continue a run, interrupt its training, and check that no process is left."""
    flows.ensure_worker()
    before, run = flows.steps(), flows.start_run(name, overrides=LONG)
    wait_for(
        lambda: (
            (flows.steps() > before and flows.trainer(name) is not None)
            or flows.state(run) in TERMINAL
        ),
        SECONDS_FOR_A_RUN,
        PAUSE,
    )
    assert (state := flows.state(run)) not in TERMINAL, f"{state} before it was interrupted"
    time.sleep(random.uniform(0, 1))
    done = Interruption(f"{how.__name__} at step {flows.steps()}", run, time.monotonic(), [])
    how(flows, run, name)
    try:
        wait_for(lambda: not flows.processes(name), SECONDS_FOR_ORPHANS, PAUSE)
    except AssertionError:
        left = [str(process) for process in flows.processes(name)]
        done.problems.append(f"left: {left}")
    print(
        f"  {done.description}: no process after {time.monotonic() - done.started:.1f} s",
        flush=True,
    )
    if states := flows.mlflow_states(name) - {"FINISHED", "KILLED", "FAILED"}:
        done.problems.append(f"runs in MLflow are {states}")
    return done


def resume(flows: Flows, name: str, expected: bytes) -> list[str]:
    """Continue a run to its end; its differences from a run that was not interrupted.

    Args:
        flows: the server and the worker.
        name: of the run.
        expected: the weights of the run that was not interrupted.
    """
    flows.ensure_worker()
    run = flows.start_run(name, overrides=LONG)
    if (state := flows.wait(run)) != "COMPLETED":
        return [f"{name} is {state}: {flows.message(run)}"]
    problems = [] if flows.weights(name) == expected else [f"the weights of {name} differ"]
    if (states := flows.mlflow_states(name)) != {"FINISHED"}:
        problems.append(f"at the end runs of {name} in MLflow are {states}")
    return problems
