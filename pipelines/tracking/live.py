"""Shipping a training run's journal to MLflow while it grows; training never waits for it."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from esrgan_core.engine.journal import Journal
from esrgan_core.image import read_rgb
from pipelines.tracking.record import open_run_id
from pipelines.tracking.store import StoreDownError, client, reaching_store

SECONDS_BETWEEN = 10.0
SECONDS_AT_THE_END = 20.0
PICTURES_UP_TO = "esrgan.pictures"


@contextmanager
def shipping(stage: str, folder: Path) -> Iterator[None]:
    """Ship `folder/metrics.jsonl` and `folder/samples/` to the stage's open run meanwhile.

    A slow or dead store costs nothing but a warning: `esrgan publish` ships the rest.
    """
    run_id = open_run_id(stage)
    if not run_id:
        yield
        return
    over = Event()

    def work() -> None:
        try:
            while not over.wait(SECONDS_BETWEEN):
                ship(run_id, Journal(folder / "metrics.jsonl").rows(), folder / "samples")
        except StoreDownError as error:
            print(f"{stage}: {error}; no longer reporting to it", file=sys.stderr)

    shipper = Thread(target=work, name="mlflow shipper", daemon=True)
    shipper.start()
    try:
        yield
    finally:
        over.set()
        shipper.join(timeout=SECONDS_AT_THE_END)


def ship(run_id: str, rows: Sequence[Mapping[str, float]], samples: Path) -> None:
    """Add what the run does not have yet of a curve and of the validation pictures.

    Raises:
        StoreDownError: if the store does not answer.
    """
    with reaching_store():
        _ship_rows(run_id, rows)
        # a step's figures are written after its pictures, so these are complete
        validated = {int(row["step"]) for row in rows if any("val/" in name for name in row)}
        _ship_pictures(run_id, samples, validated)


def _ship_rows(run_id: str, rows: Sequence[Mapping[str, float]]) -> None:
    from mlflow.entities import Metric  # noqa: PLC0415

    now = int(time.time() * 1000)
    names = {name for row in rows for name in row if name != "step"}
    # what the store has is asked of the store, so that nothing comes twice
    last = {name: _last_step(run_id, name) for name in names}
    metrics = [
        Metric(name, value, now, int(row["step"]))
        for row in rows
        for name, value in row.items()
        if name != "step" and row["step"] > last[name]
    ]
    for start in range(0, len(metrics), 1000):
        client().log_batch(run_id, metrics=metrics[start : start + 1000])


def _last_step(run_id: str, name: str) -> int:
    return max((point.step for point in client().get_metric_history(run_id, name)), default=-1)


def _ship_pictures(run_id: str, samples: Path, validated: set[int]) -> None:
    done = int(client().get_run(run_id).data.tags.get(PICTURES_UP_TO, "-1"))
    for step in sorted(step for step in validated if step > done):
        for path in sorted((samples / f"{step:08}").glob("*.png")):
            client().log_image(run_id, read_rgb(path), key=f"val/{path.stem}", step=step)
        client().set_tag(run_id, PICTURES_UP_TO, str(step))
