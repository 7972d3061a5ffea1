"""Shipping a training run's journal to MLflow while it grows; training never waits for it."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from esrgan_core.engine.journal import MetricsJournal
from esrgan_core.files import write_text
from pipelines.runtime.state import state_root
from pipelines.tracking.client import client, log_metrics, sanitize_name, translate_errors
from pipelines.tracking.errors import StoreDownError, StoreError
from pipelines.tracking.images import log_images
from pipelines.tracking.open_runs import open_run_id

SECONDS_TO_LOOK = 0.5
"""Between looks for the run to upload to."""
SECONDS_BETWEEN = 10.0
"""Between shipments; twice as long after each that failed, up to the next."""
SECONDS_AT_MOST = 300.0
SECONDS_AT_THE_END = 20.0
"""That the last shipment may take."""
IMAGES_UP_TO = "esrgan.pictures"
RUN_ID_FILE = "mlflow_run"
"""File of a checkpoint folder that says which run its journal goes to."""


@contextmanager
def uploading(stage: str, folder: Path, *, active: bool = True) -> Iterator[None]:
    """Ship `folder/metrics.jsonl` and `folder/samples/` to the stage's open run meanwhile.

    A slow or dead store costs nothing but a warning: what is left goes when it answers again,
    by `esrgan sync`, or with `esrgan publish` in the end.
    """
    over = Event()
    shipper = Thread(target=_keep_uploading, args=(stage, folder, over), daemon=True)
    if active:
        shipper.start()
    try:
        yield
    finally:
        over.set()
        if active:
            shipper.join(timeout=SECONDS_AT_THE_END)


def _keep_uploading(stage: str, folder: Path, over: Event) -> None:
    cargo: MetricsUploader | None = None
    wait, told = SECONDS_TO_LOOK, False
    last = False
    while not last:
        # once more when all is over, for what came since
        last = over.wait(wait)
        if cargo is None:
            if not (run_id := open_run_id(stage)):
                continue
            write_text(folder / RUN_ID_FILE, run_id)
            cargo, wait = MetricsUploader(run_id), SECONDS_BETWEEN
            continue
        try:
            cargo.upload(MetricsJournal(folder / "metrics.jsonl").rows(), folder / "samples")
            wait, told = SECONDS_BETWEEN, False
        except StoreDownError as error:
            if not told:
                print(f"{stage}: {error}; its figures wait in {folder}", file=sys.stderr)
            wait, told = min(2 * wait, SECONDS_AT_MOST), True
        except (StoreError, OSError) as error:
            print(f"{stage}: {error}\nits figures wait in {folder}", file=sys.stderr)
            return  # another try would meet it again; `esrgan publish` says it at the end


def sync() -> Iterator[tuple[Path, int, str]]:
    """Ship what trainings have left behind: (checkpoint folder, points sent, what went wrong)."""
    for target in sorted((state_root() / "checkpoints").glob(f"*/*/{RUN_ID_FILE}")):
        folder = target.parent
        try:
            rows = MetricsJournal(folder / "metrics.jsonl").rows()
            cargo = MetricsUploader(target.read_text(encoding="utf-8"))
            yield folder, cargo.upload(rows, folder / "samples"), ""
        except (StoreError, OSError) as error:
            yield folder, 0, str(error)


class MetricsUploader:
    """What one run has got of a journal. The store is asked once, and again after each failure."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.last: dict[str, int] = {}

    def upload(self, rows: Sequence[Mapping[str, float]], samples: Path) -> int:
        """Add what the run does not have yet of a curve and of the validation images.

        Nothing comes twice: not what is sent again after a failure that came too late, nor what
        a training reports again after it was resumed.

        Returns:
            How many points were sent.

        Raises:
            StoreError: if the store does not answer, or does not take it.
            OSError: if a file cannot be read.
        """
        try:
            with translate_errors():
                sent = self._upload_rows(rows)
                # a step's figures are written after its images, so these are complete
                validated = {int(r["step"]) for r in rows if any("val/" in name for name in r)}
                _upload_images(self.run_id, samples, validated)
        except Exception:
            self.last = {}
            raise
        return sent

    def _upload_rows(self, rows: Sequence[Mapping[str, float]]) -> int:
        from mlflow.entities import Metric  # noqa: PLC0415

        if new := {name for row in rows for name in row} - self.last.keys():
            known = client().get_run(self.run_id).data.metrics
            for name in new:
                history = client().get_metric_history(self.run_id, name) if name in known else ()
                self.last[name] = max((point.step for point in history), default=-1)
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, int(row.get("time", now)), int(row["step"]))
            for row in rows
            for name, value in row.items()
            if name not in ("step", "time") and row["step"] > self.last[name]
        ]
        log_metrics(self.run_id, metrics)
        for metric in metrics:
            self.last[metric.key] = max(self.last[metric.key], metric.step)
        return len(metrics)


def _upload_images(run_id: str, samples: Path, validated: set[int]) -> None:
    run = client().get_run(run_id)
    done = int(run.data.tags.get(IMAGES_UP_TO, "-1"))
    for step in sorted(step for step in validated if step > done):
        files = sorted((samples / f"{step:08}").glob("*.png"))
        images = {f"val/{sanitize_name(path.stem)}": path for path in files}
        log_images(run_id, images, step, run.info.start_time)
        client().set_tag(run_id, IMAGES_UP_TO, str(step))
