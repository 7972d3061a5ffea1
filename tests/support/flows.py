"""A Prefect server and a worker of a copy of the project, and the state of its flow runs."""

import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from esrgan_core.engine.journal import MetricsJournal
from pipelines.flows.local_server import LocalPrefect
from tests.e2e.conftest import command_in
from tests.support.trainings import wait_for

PAUSE = 0.5
"""Seconds between requests to the server, and between scans of all processes."""
SECONDS_FOR_A_RUN = 600
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
LONG = {
    "pretrain": {"steps": 800, "save_every": 100, "validate_every": 400, "report_every": 10},
    "finetune": {"steps": 20, "save_every": 10, "validate_every": 10},
}
"""Overrides for trainings that last long enough to be interrupted."""


@dataclass
class Flows:
    """The copy, its server and its worker."""

    folder: Path
    api: str

    @property
    def prefect(self) -> LocalPrefect:
        """The server and worker as `make prefect` knows them."""
        return LocalPrefect(api=self.api, folder=self.folder.resolve() / ".esrgan" / "prefect")

    @staticmethod
    def start(folder: Path) -> "Flows":
        """Start server and worker as `make prefect` does, in a copy whose pipeline has run."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        flows = Flows(folder, f"http://127.0.0.1:{port}/api")
        flows.local("start")
        return flows

    def local(self, command: str) -> str:
        """Run the `start` or `stop` of `make prefect` and `make stop`."""
        return self.run(sys.executable, "-m", "pipelines.flows.local_server", command)

    def run(self, *command: str, **options: Any) -> str:
        """Run a command in the copy with the address of the server; its output."""
        return command_in(self.folder)(*command, PREFECT_API_URL=self.api, **options)

    def request(self, method: str, path: str, **content: Any) -> Any:
        """The JSON that the server answers."""
        # Prefect's own client retries as well: the database may be locked for longer
        retrying = HTTPAdapter(
            max_retries=Retry(backoff_factor=0.5, status_forcelist=[503], allowed_methods=None)
        )
        with requests.Session() as session:
            session.mount(self.api, retrying)
            response = session.request(
                method, f"{self.api}/{path}", json=content or None, timeout=300
            )
        assert response.ok, response.text
        return response.json() if response.text else None

    def start_run(self, name: str, **parameters: Any) -> str:
        """Schedule a run of the flow; its id."""
        deployment = self.request("GET", "deployments/name/esrgan/sample")
        content = {"parameters": {"name": name, **parameters}, "state": {"type": "SCHEDULED"}}
        path = f"deployments/{deployment['id']}/create_flow_run"
        return str(self.request("POST", path, **content)["id"])

    def state(self, run: str) -> str:
        """The type of a flow run's state."""
        return str(self.request("GET", f"flow_runs/{run}")["state_type"])

    def wait(self, run: str, seconds: float = SECONDS_FOR_A_RUN) -> str:
        """Wait until a run ends; the type of its state."""
        wait_for(lambda: self.state(run) in TERMINAL, seconds, PAUSE)
        return self.state(run)

    def message(self, run: str) -> str:
        """The message of a flow run's state."""
        return str(self.request("GET", f"flow_runs/{run}")["state"]["message"])

    def log(self, run: str) -> str:
        """The log of a flow run."""
        query = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        lines: list[str] = []
        while page := self.request("POST", "logs/filter", offset=len(lines), **query):
            lines += [one["message"] for one in page]
        return "\n".join(lines)

    def artifacts(self, run: str) -> dict[str, dict[str, Any]]:
        """A flow run's artifacts by key."""
        query = {"flow_run_id": {"any_": [run]}}
        found = self.request("POST", "artifacts/filter", artifacts=query)
        return {one["key"]: one for one in found}

    def processes(self, name: str) -> list[psutil.Process]:
        """The processes that work in a run's folder or for it."""
        folder, found = str(self.folder / "runs" / name), []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                works = name == process.environ().get("ESRGAN_RUN") or folder == process.cwd()
                if works and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def trainer(self, name: str, stage: str = "pretrain") -> psutil.Process | None:
        """The process that trains for a run."""
        return self._find(name, "-m", f"pipelines.stages.{stage}")

    def engine(self, name: str) -> psutil.Process:
        """The process of a run's flow."""
        # its command is that of prefect.yaml
        found = self._find(name, "-P", "-m", "prefect.engine")
        assert found, f"no flow runs for {name}"
        return found

    def dvc(self, name: str) -> psutil.Process:
        """The process of DVC that runs a stage for a run."""
        found = self._find(name, "-m", "dvc", "repro")
        assert found, f"no dvc runs for {name}"
        return found

    def _find(self, name: str, *arguments: str) -> psutil.Process | None:
        for process in self.processes(name):
            with suppress(psutil.Error):
                if process.cmdline()[1 : 1 + len(arguments)] == list(arguments):
                    return process
        return None

    def worker(self) -> psutil.Process:
        """The worker's process."""
        found = self.prefect.find("worker")
        assert found, "no worker runs"
        return found

    def ensure_worker(self) -> None:
        """Start the worker if an interruption has ended it."""
        if self.prefect.find("worker") is None:
            self.local("start")

    @contextmanager
    def paused(self, name: str) -> Iterator[psutil.Process]:
        """Stop a run's pretraining until the end of the block."""
        trainer = self.trainer(name)
        assert trainer, f"no training runs for {name}"
        trainer.send_signal(signal.SIGSTOP)
        try:
            yield trainer
        finally:
            with suppress(psutil.NoSuchProcess):
                trainer.send_signal(signal.SIGCONT)

    def journals(self) -> dict[str, list[dict[str, float]]]:
        """Reports of pretrainings that have made a step, by fingerprint."""
        found = (self.folder / ".esrgan" / "checkpoints" / "pretrain").glob("*/metrics.jsonl")
        journals = {path.parent.name: MetricsJournal(path).rows() for path in found}
        return {name: rows for name, rows in journals.items() if any("g/pixel" in r for r in rows)}

    def steps(self) -> int:
        """The last step of any pretraining; 0 if there is none."""
        rows = [row for rows in self.journals().values() for row in rows]
        return max((int(row["step"]) for row in rows), default=0)

    def weights(self, name: str) -> bytes:
        """The bytes of both generators of a finished run."""
        files = [self.folder / "runs" / name / "artifacts" / stage for stage in LONG]
        return b"".join((one / "generator.safetensors").read_bytes() for one in files)

    def delete_trainings(self) -> None:
        """Delete the checkpoints and cached results of trainings, so that the next run trains."""
        shutil.rmtree(self.folder / ".esrgan" / "checkpoints", ignore_errors=True)
        for kept in list((self.folder / ".dvc" / "cache" / "runs").glob("*/*")):
            texts = [path.read_text() for path in kept.iterdir()]
            if any(f"pipelines.stages.{stage}\n" in text for stage in LONG for text in texts):
                shutil.rmtree(kept)

    def mlflow_runs(self, name: str, stage: str = "") -> list[Run]:
        """MLflow's runs of a pipeline run, or of one of its stages."""
        client = MlflowClient(f"sqlite:///{self.folder}/.esrgan/mlflow.db")
        experiment = client.get_experiment_by_name("esrgan")
        assert experiment
        query = f"tags.`esrgan.run` = '{name}'"
        if stage:
            query += f" and tags.`dvc.stage` = '{stage}'"
        return list(client.search_runs([experiment.experiment_id], query))

    def mlflow_states(self, name: str) -> set[str]:
        """The states of all MLflow runs of a pipeline run."""
        return {run.info.status for run in self.mlflow_runs(name)}
