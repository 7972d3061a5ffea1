"""A Prefect server and a worker of a copy of the project, whose flows are cancelled and killed."""

import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from requests.adapters import HTTPAdapter
from ruamel.yaml import YAML
from urllib3 import Retry

from esrgan_core.engine.journal import MetricsJournal
from pipelines.runtime.parent_watch import is_alive
from tests.e2e.conftest import command_in
from tests.support.trainings import wait_for

PAUSE = 0.5
"""Seconds between questions to the server, and looks at all processes."""
SECONDS_FOR_ORPHANS = 300
SECONDS_OF_GRACE = 20
SECONDS_FOR_A_STATE = 300
SECONDS_FOR_A_RUN = 600
OVER = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
LONG = {
    "pretrain": {"steps": 800, "save_every": 100, "validate_every": 400, "report_every": 10},
    "finetune": {"steps": 20, "save_every": 10, "validate_every": 10},
}
"""Overrides for trainings that last long enough to be disturbed."""


@dataclass
class Flows:
    """The copy, its server and its worker."""

    folder: Path
    api: str

    @staticmethod
    def start(folder: Path) -> "Flows":
        """Start everything as `make prefect` does, in a copy whose pipeline has run."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        flows = Flows(folder, f"http://127.0.0.1:{port}/api")
        flows.local("start")
        return flows

    def local(self, what: str) -> str:
        """Start or stop what runs here."""
        return self.run(sys.executable, "-m", "pipelines.flows.local_server", what)

    def run(self, *command: str, **words: Any) -> str:
        """Run a command in the copy, which finds the server."""
        return command_in(self.folder)(*command, PREFECT_API_URL=self.api, **words)

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """What the server answers."""
        # as Prefect's own client: the server's database may be locked for longer than it waits
        patient = HTTPAdapter(
            max_retries=Retry(backoff_factor=0.5, status_forcelist=[503], allowed_methods=None)
        )
        with requests.Session() as session:
            session.mount(self.api, patient)
            answer = session.request(
                method, f"{self.api}/{path}", json=content or None, timeout=300
            )
        assert answer.ok, answer.text
        return answer.json() if answer.text else None

    def begin(self, name: str, deployment: str = "sample", **parameters: Any) -> str:
        """Ask for a run of the flow; its id."""
        found = self.ask("GET", f"deployments/name/esrgan/{deployment}")
        content = {"parameters": {"name": name, **parameters}, "state": {"type": "SCHEDULED"}}
        return str(self.ask("POST", f"deployments/{found['id']}/create_flow_run", **content)["id"])

    def state(self, run: str) -> str:
        """Type of a flow run's state."""
        return str(self.ask("GET", f"flow_runs/{run}")["state_type"])

    def end(self, run: str, seconds: float = SECONDS_FOR_A_RUN) -> str:
        """Wait for a run's end; the type of its state."""
        wait_for(lambda: self.state(run) in OVER, seconds, PAUSE)
        return self.state(run)

    def message(self, run: str) -> str:
        """What a flow run's state says."""
        return str(self.ask("GET", f"flow_runs/{run}")["state"]["message"])

    def said(self, run: str) -> str:
        """The log of a flow run."""
        words = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        found: list[str] = []
        while page := self.ask("POST", "logs/filter", offset=len(found), **words):
            found += [one["message"] for one in page]
        return "\n".join(found)

    def artifacts(self, run: str) -> dict[str, dict[str, Any]]:
        """What Prefect shows of a flow run, by key."""
        filter_ = {"flow_run_id": {"any_": [run]}}
        return {one["key"]: one for one in self.ask("POST", "artifacts/filter", artifacts=filter_)}

    def cancel(self, run: str) -> None:
        """Do what the UI's button and the command do."""
        self.run("prefect", "flow-run", "cancel", run)

    def processes(self, name: str) -> list[psutil.Process]:
        """All that works in a run's folder or for it."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                words = process.environ()
                folder = self.folder / "runs" / name
                if words.get("ESRGAN_RUN") == name or process.cwd() == str(folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def trainer(self, name: str, stage: str = "pretrain") -> psutil.Process | None:
        """The process that trains for a run."""
        for process in self.processes(name):
            if words_of(process)[1:3] == ["-m", f"pipelines.stages.{stage}"]:
                return process
        return None

    def engine(self, name: str) -> psutil.Process:
        """The process of a run's flow."""
        (found,) = [
            one
            for one in psutil.process_iter()
            if words_of(one)[1:3] == ["-m", "prefect.engine"]
            and one.cwd() == str(self.folder / "runs" / name)
        ]
        return found

    def worker(self) -> psutil.Process:
        """The worker's process."""
        note = YAML(typ="safe").load(self.folder / ".esrgan" / "prefect" / "worker.json")
        return psutil.Process(note["pid"])

    def see_to_worker(self) -> None:
        """Start what a disturbance has ended; to look whether all is there would take seconds."""
        with suppress(psutil.NoSuchProcess):
            if is_alive(self.worker()):
                return
        self.local("start")

    @contextmanager
    def held(self, name: str) -> Iterator[psutil.Process]:
        """Let a run's pretraining take no step, and no processor, until the end of the block."""
        trainer = self.trainer(name)
        assert trainer, f"nothing trains for {name}"
        trainer.send_signal(signal.SIGSTOP)
        try:
            yield trainer
        finally:
            with suppress(psutil.NoSuchProcess):
                trainer.send_signal(signal.SIGCONT)

    def journals(self) -> dict[str, list[dict[str, float]]]:
        """What pretrainings have reported, by fingerprint; not before their first step."""
        found = (self.folder / ".esrgan" / "checkpoints" / "pretrain").glob("*/metrics.jsonl")
        journals = {path.parent.name: MetricsJournal(path).rows() for path in found}
        return {name: rows for name, rows in journals.items() if any("g/pixel" in r for r in rows)}

    def steps(self) -> int:
        """The last step of any pretraining; 0 before there is one."""
        rows = [row for rows in self.journals().values() for row in rows]
        return max((int(row["step"]) for row in rows), default=0)

    def weights(self, name: str) -> bytes:
        """The bits of both generators that a run ended in."""
        files = [self.folder / "runs" / name / "artifacts" / stage for stage in LONG]
        return b"".join((one / "generator.safetensors").read_bytes() for one in files)

    def forget(self) -> None:
        """Let the next run train anew: what the trainings before have left goes."""
        shutil.rmtree(self.folder / ".esrgan" / "checkpoints", ignore_errors=True)
        for kept in list((self.folder / ".dvc" / "cache" / "runs").glob("*/*")):
            words = [path.read_text() for path in kept.iterdir()]
            if any(f"pipelines.stages.{stage}\n" in text for stage in LONG for text in words):
                shutil.rmtree(kept)

    def mlflow_runs(self, name: str, stage: str = "") -> list[Run]:
        """MLflow's runs of a pipeline run, all or those of a stage."""
        client = MlflowClient(f"sqlite:///{self.folder}/.esrgan/mlflow.db")
        experiment = client.get_experiment_by_name("esrgan")
        assert experiment
        wanted = f"tags.`esrgan.run` = '{name}'"
        if stage:
            wanted += f" and tags.`dvc.stage` = '{stage}'"
        return list(client.search_runs([experiment.experiment_id], wanted))

    def mlflow_states(self, name: str) -> set[str]:
        """States of all MLflow runs of a pipeline run."""
        return {run.info.status for run in self.mlflow_runs(name)}


def words_of(process: psutil.Process) -> list[str]:
    """A process's command line; empty once it is over."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def cancel(flows: Flows, run: str, name: str) -> None:
    # the command takes longer to start than the training to end
    with flows.held(name):
        flows.cancel(run)


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
    # it may let its flows end first; whoever manages services waits for that as long as this
    with suppress(AssertionError):
        wait_for(lambda: not is_alive(worker), SECONDS_OF_GRACE, PAUSE)
    if is_alive(worker):
        worker.kill()
    # while it still ends, no other is started
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
    (dvc,) = [one for one in flows.processes(name) if words_of(one)[1:4] == ["-m", "dvc", "repro"]]
    dvc.kill()


Disturbance = Callable[[Flows, str, str], None]
INTERRUPTIONS: tuple[Disturbance, ...] = (
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
    """How a run was ended, and what became of it."""

    how: str
    run: str
    began: float
    problems: list[str]

    def settled(self, flows: Flows) -> list[str]:
        """Wait for the run's state as long as it may take; all that was not as it must be."""
        try:
            left = SECONDS_FOR_A_STATE - (time.monotonic() - self.began)
            state = flows.end(self.run, max(left, 0))
        except AssertionError:
            state = flows.state(self.run)
            self.problems.append(f"the state is {state}")
        seconds = time.monotonic() - self.began
        print(f"  {self.how}: {state} after at most {seconds:.1f} s", flush=True)
        return [f"{self.how}: {problem}" for problem in self.problems]


def interrupt(flows: Flows, name: str, how: Disturbance, random: Random) -> Interruption:
    """Begin a run or go on with it, end it in the midst of training, look at what is left."""
    flows.see_to_worker()
    before, run = flows.steps(), flows.begin(name, overrides=LONG)
    wait_for(
        lambda: (
            (flows.steps() > before and flows.trainer(name) is not None) or flows.state(run) in OVER
        ),
        SECONDS_FOR_A_RUN,
        PAUSE,
    )
    assert (state := flows.state(run)) not in OVER, f"{state} before it was ended"
    time.sleep(random.uniform(0, 1))
    done = Interruption(f"{how.__name__} at step {flows.steps()}", run, time.monotonic(), [])
    how(flows, run, name)
    try:
        wait_for(lambda: not flows.processes(name), SECONDS_FOR_ORPHANS, PAUSE)
    except AssertionError:
        left = [" ".join(words_of(one)) for one in flows.processes(name)]
        done.problems.append(f"left: {left}")
    print(f"  {done.how}: alone after {time.monotonic() - done.began:.1f} s", flush=True)
    if states := flows.mlflow_states(name) - {"FINISHED", "KILLED", "FAILED"}:
        done.problems.append(f"MLflow says {states}")
    return done


def go_on(flows: Flows, name: str, whole: bytes) -> list[str]:
    """Let a run go on to its end; what about it is not as if nothing had been.

    Args:
        flows: the server and the worker.
        name: of the run.
        whole: the weights of a run that nothing disturbed.
    """
    flows.see_to_worker()
    run = flows.begin(name, overrides=LONG)
    if (state := flows.end(run)) != "COMPLETED":
        return [f"{name} is {state}: {flows.message(run)}"]
    problems = [] if flows.weights(name) == whole else [f"the weights of {name} are others"]
    if (states := flows.mlflow_states(name)) != {"FINISHED"}:
        problems.append(f"in the end MLflow says {states} of {name}")
    return problems
