"""Prefect artifacts of a flow run: progress while it runs, and its results at the end."""

import base64
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from prefect import artifacts, get_run_logger

from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import EVALUATION_METRICS, REPORT_PAGE
from pipelines.runtime.progress import Status, read_status


@dataclass
class ProgressArtifact:
    """A progress artifact of a stage, which is created when the stage first reports its status."""

    stage: str
    path: Path
    artifact: UUID | None = None
    shown: Status | None = None

    def update(self) -> None:
        """Show the latest status; if the server does not answer, log a warning."""
        status = read_status(self.path)
        if status is None or status == self.shown or status.problem:
            return
        self.shown = status
        percent = 100 * min(status.completed / status.total, 1) if status.total else 0.0
        text = describe(status)
        try:
            if self.artifact is None:
                # Prefect's keys have only these characters
                key = "progress-" + re.sub(r"[^a-z0-9]+", "-", self.stage.lower()).strip("-")
                created = artifacts.create_progress_artifact(percent, key=key, description=text)
                assert isinstance(created, UUID)  # a coroutine only in an event loop
                self.artifact = created
            else:
                artifacts.update_progress_artifact(self.artifact, percent, description=text)
        except Exception as error:
            get_run_logger().warning("cannot show progress in Prefect: %s", error)


def describe(status: Status) -> str:
    """A status as a line.

    >>> describe(Status(what="pretrain", completed=1, total=4, seconds_left=90, note="g 0.05"))
    'pretrain 1/4, 0:01:30 left  g 0.05'
    """
    if not status.total:
        return status.what
    left = timedelta(seconds=round(status.seconds_left))
    return f"{status.what} {status.completed}/{status.total}, {left} left  {status.note}".rstrip()


def show_results(folder: Path, mlflow_url: str) -> None:
    """Show the metrics of every model, the figure of crops, and links to the image page."""
    results = from_json((folder / EVALUATION_METRICS).read_text(encoding="utf-8"))
    rows = [
        {"model": model, "set": name, **values}
        for model, sets in results.items()
        for name, values in sets.items()
    ]
    description = "Every model on every test set"
    artifacts.create_table_artifact(rows, key="metrics", description=description)
    figure = (folder / EVALUATION_METRICS).with_name("models.png").read_bytes()
    data = f"data:image/png;base64,{base64.b64encode(figure).decode()}"
    artifacts.create_image_artifact(data, key="images", description="Crops of test images")
    page = (folder / REPORT_PAGE).as_uri()
    text = f"The image page of this run:\n\n* on this worker: [{page}]({page})\n"
    if mlflow_url:
        url = f"{mlflow_url}/artifacts/report/index.html"
        text += f"* in MLflow: [{url}]({url})\n"
    text += f"* in the repository: `dvc exp apply {folder.name}`, then `{REPORT_PAGE}`"
    artifacts.create_markdown_artifact(text, key="page", description="Where to find the image page")
