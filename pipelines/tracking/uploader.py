"""Uploads a training's metrics and images to MLflow; the training never waits for it."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from uuid import UUID, uuid5

from esrgan_core.engine.journal import MetricsJournal
from esrgan_core.files import write_text
from esrgan_core.io.rgb import read_rgb
from pipelines.runtime.state import state_root
from pipelines.tracking.client import client, log_metrics, sanitize_name
from pipelines.tracking.open_runs import MAX_WAIT, open_run_id
from pipelines.tracking.store_errors import (
    NotInStoreError,
    StoreDownError,
    StoreError,
    translate_errors,
)

SECONDS_FOR_RUN_ID = 0.5
"""Time between checks for the run to upload to."""
SECONDS_BETWEEN_UPLOADS = 10.0
"""Doubled after each failure, up to `MAX_WAIT`."""
SECONDS_FOR_LAST_UPLOAD = 20.0
UPLOADED_IMAGES = "esrgan.pictures"
"""Tag of a run with the last step whose images were uploaded."""
RUN_ID_FILE = "mlflow_run"
"""File of a checkpoint folder with the id of the run of its journal."""


@contextmanager
def uploading(stage: str, folder: Path, *, active: bool = True) -> Iterator[None]:
    """Upload `folder/metrics.jsonl` and `folder/samples/` to the stage's run in the background.

    While the store is slow or down, only a warning is printed; the rest is uploaded when the
    store responds again, or by `esrgan publish`.
    """
    ended = Event()
    thread = Thread(target=_keep_uploading, args=(stage, folder, ended), daemon=True)
    if active:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if active:
            thread.join(timeout=SECONDS_FOR_LAST_UPLOAD)


def _keep_uploading(stage: str, folder: Path, ended: Event) -> None:
    uploader: MetricsUploader | None = None
    wait, reported, last = SECONDS_FOR_RUN_ID, False, False
    while not last:
        # once more after the training has ended, for its last rows
        last = ended.wait(wait)
        if uploader is None:
            if run_id := open_run_id(stage):
                write_text(folder / RUN_ID_FILE, run_id)
                uploader, wait = MetricsUploader(run_id), SECONDS_BETWEEN_UPLOADS
            continue
        try:
            uploader.upload_folder(folder)
            wait, reported = SECONDS_BETWEEN_UPLOADS, False
        except StoreDownError as error:
            if not reported:
                print(f"{stage}: {error}; its metrics are kept in {folder}", file=sys.stderr)
            wait, reported = min(2 * wait, MAX_WAIT), True
        except (StoreError, OSError) as error:
            # another attempt would fail, too; `esrgan publish` reports it again
            print(f"{stage}: {error}\nits metrics are kept in {folder}", file=sys.stderr)
            return


def upload_journals() -> Iterator[tuple[Path, int]]:
    """Upload what MLflow lacks of all trainings; yield checkpoint folders and numbers of points."""
    for path in sorted((state_root() / "checkpoints").glob(f"*/*/{RUN_ID_FILE}")):
        uploader = MetricsUploader(path.read_text(encoding="utf-8"))
        try:
            yield path.parent, uploader.upload_folder(path.parent)
        except NotInStoreError as error:
            print(f"{path.parent}: {error}; its metrics are skipped", file=sys.stderr)


class MetricsUploader:
    """Uploads to one run what it lacks of a journal; queries the store once, and after failures."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.last_steps: dict[str, int] = {}

    def upload_folder(self, folder: Path) -> int:
        """Upload the journal and the images of a checkpoint folder; see `upload`."""
        return self.upload(MetricsJournal(folder / "metrics.jsonl").rows(), folder / "samples")

    def upload(self, rows: Sequence[Mapping[str, float]], samples: Path) -> int:
        """Upload the points and validation images that the run lacks; return the number of points.

        Nothing is uploaded twice: neither after a response that was lost, nor after a training
        was resumed and repeats steps.
        """
        try:
            with translate_errors():
                count = self._upload_rows(rows)
                # the metrics of a step are written after its images, so these are complete
                validated = {int(r["step"]) for r in rows if any("val/" in name for name in r)}
                _upload_images(self.run_id, samples, validated)
        except Exception:
            self.last_steps = {}
            raise
        return count

    def _upload_rows(self, rows: Sequence[Mapping[str, float]]) -> int:
        if new := {name for row in rows for name in row} - self.last_steps.keys():
            known = client().get_run(self.run_id).data.metrics
            for name in new:
                history = client().get_metric_history(self.run_id, name) if name in known else ()
                self.last_steps[name] = max((point.step for point in history), default=-1)
        now = int(time.time() * 1000)
        points = [
            (name, value, int(row.get("time", now)), int(row["step"]))
            for row in rows
            for name, value in row.items()
            if name not in ("step", "time") and row["step"] > self.last_steps[name]
        ]
        log_metrics(self.run_id, points)
        for name, _, _, step in points:
            self.last_steps[name] = max(self.last_steps[name], step)
        return len(points)


def _upload_images(run_id: str, samples: Path, steps: set[int]) -> None:
    run = client().get_run(run_id)
    last = int(run.data.tags.get(UPLOADED_IMAGES, "-1"))
    for step in sorted(step for step in steps if step > last):
        files = sorted((samples / f"{step:08}").glob("*.png"))
        images = {f"val/{sanitize_name(path.stem)}": path for path in files}
        log_images(run_id, images, step, run.info.start_time)
        client().set_tag(run_id, UPLOADED_IMAGES, str(step))


def log_images(run_id: str, images: Mapping[str, Path], step: int, time: int) -> None:
    """Log images for the grid of the UI as `MlflowClient.log_image` does, but idempotently.

    MLflow's names contain a random number and the current time, so a repeated attempt would log
    the images twice. `time` is in milliseconds since 1970 and must be the same in every attempt.
    """
    from mlflow.tracking import multimedia  # noqa: PLC0415

    if not images:
        return
    with TemporaryDirectory() as folder:
        for key, path in images.items():
            image = multimedia.convert_to_pil_image(read_rgb(path))
            number = uuid5(UUID(run_id), f"{key} {step}")
            name = f"{key.replace('/', '~')}+step+{step}+timestamp+{time}+{number}"
            image.save(Path(folder, f"{name}.png"))
            multimedia.compress_image_size(image).save(Path(folder, f"{name}+compressed.webp"))
        client().log_artifacts(run_id, folder, "images")
    client().set_tag(run_id, "mlflow.loggedImages", "True")
