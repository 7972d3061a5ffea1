"""What a training will take."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.filesize import decimal
from ruamel.yaml import YAML

from esrgan_core.devices import resolve_precision
from esrgan_core.engine.journal import MetricsJournal
from esrgan_core.models import build_generator
from esrgan_core.models.weights import save_weights
from pipelines.config.artifacts import PAIRS, PRETRAINED
from pipelines.config.params import PARAMS, load_params, read_yaml
from pipelines.ops.estimates.estimate import Plan
from pipelines.runtime.disk import folder_bytes
from pipelines.runtime.state import REPOSITORY, state_root
from pipelines.stages.params_check import check_params
from pipelines.stages.pretrain import Params as Pretraining
from pipelines.tracking.database import database_uri
from pipelines.training.distributed import current_device
from pipelines.training.execution import precision_message

TRAININGS = ("pretrain", "finetune")
STEPS = 30
"""Of a training that is tried ..."""
SECONDS = 120.0
"""... and how long at most."""
VALIDATE_AT, SAVE_AT = 10, 15
WARMING = 3
"""Steps that are slower than the rest."""
LEAST = 6
BYTES_PER_ROW = 400
"""Of a training's journal and curve."""


def plan_training(stage: str) -> Plan:
    """Train for a moment by params.yaml, apart from everything, and tell what all of it takes.

    Raises:
        ParamsError: if params.yaml is not valid.
        ValueError: if there are no pairs, or it cannot be trained.
    """
    params = read_yaml(PARAMS)
    check_params(params)
    if not (PAIRS / "store.json").is_file():
        raise ValueError(f"no pairs in {PAIRS}; `dvc repro bicubic` makes them")
    section: dict[str, Any] = dict(params[stage])
    with _apart(stage) as folder:
        tried = section | {
            "steps": STEPS,
            "report_every": 1,
            "validate_every": VALIDATE_AT,
            "save_every": SAVE_AT,
        }
        YAML().dump({**params, stage: tried}, folder / PARAMS)
        seconds_to_begin, journal, checkpoints = _run(stage, folder)
        return _told(
            stage, section, seconds_to_begin, journal, checkpoints, folder, _precision(section)
        )


def _precision(section: Mapping[str, Any]) -> str:
    """What a section's training computes in, and a warning where that is slow."""
    wanted, device = section.get("precision", "auto"), current_device()
    return precision_message(wanted, resolve_precision(wanted, device), device)


@contextmanager
def _apart(stage: str) -> Iterator[Path]:
    """A folder in which a stage finds what it reads, and leaves what it writes."""
    with TemporaryDirectory(dir=state_root(), prefix="plan-") as name:
        folder = Path(name)
        (folder / PAIRS).parent.mkdir(parents=True)
        (folder / PAIRS).symlink_to(PAIRS.resolve())
        state = folder / "state"
        state.mkdir()
        if (kept := state_root() / "sources").is_dir():
            (state / "sources").symlink_to(kept)
        if stage != "pretrain":
            start = folder / PRETRAINED
            start.parent.mkdir(parents=True)
            if PRETRAINED.is_file():
                start.symlink_to(PRETRAINED.resolve())
            else:
                config = load_params(Pretraining).generator
                save_weights(start, build_generator(config).state_dict(), config, {})
        yield folder


def _run(stage: str, folder: Path) -> tuple[float, list[dict[str, float]], Path]:
    """(seconds before the first step, what was reported, the folder of checkpoints)."""
    env = os.environ | {
        "ESRGAN_STATE": str(folder / "state"),
        REPOSITORY: str(Path.cwd()),
        "MLFLOW_TRACKING_URI": database_uri(folder / "mlflow.db"),
    }
    log = folder / "log.txt"
    began = time.time()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"pipelines.stages.{stage}"],
            cwd=folder, env=env, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # it saves first
            process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    found = list((folder / "state" / "checkpoints" / stage).glob("*/metrics.jsonl"))
    rows = MetricsJournal(found[0]).rows() if found else []
    if len([row for row in rows if "rate" in row]) < LEAST:
        last = log.read_text().strip().splitlines()[-1:]
        raise ValueError(
            f"{stage} made fewer than {LEAST} steps in {SECONDS:g} s: {' '.join(last) or 'no word'}"
        )
    first = min(row["time"] for row in rows if "rate" in row) / 1000
    return first - began, rows, found[0].parent


def _told(
    stage: str,
    section: dict[str, Any],
    seconds_to_begin: float,
    rows: list[dict[str, float]],
    checkpoints: Path,
    folder: Path,
    precision: str,
) -> Plan:
    steps = {int(row["step"]): row["time"] / 1000 for row in rows if "rate" in row}
    validations = {
        int(row["step"]): row["time"] / 1000 for row in rows if "val/psnr_y" in row and row["step"]
    }
    after = {VALIDATE_AT * i + 1 for i in range(STEPS)} | {SAVE_AT * i + 1 for i in range(STEPS)}
    pace = median(
        steps[number] - steps[number - 1]
        for number in steps
        if number > WARMING and number - 1 in steps and number not in after
    )
    validating = [when - steps[number] for number, when in validations.items() if number in steps]
    saving = steps.get(SAVE_AT + 1, 0.0) - steps.get(SAVE_AT, 0.0) - pace
    count, every = int(section["steps"]), int(section["validate_every"])
    seconds = (
        seconds_to_begin
        + count * pace
        + count // every * (median(validating) if validating else 0.0)
        + count // int(section["save_every"]) * max(saving, 0.0)
    )
    state = max((path.stat().st_size for path in checkpoints.glob("step_*.pt")), default=0)
    images = [folder_bytes(path) for path in (checkpoints / "samples").glob("*")]
    samples = (count // every + 1) * (median(images) if images else 0)
    lines = BYTES_PER_ROW * (count // int(section["report_every"]) + count // every)
    networks = sum(path.stat().st_size for path in folder.glob("artifacts/*/*.safetensors"))
    memory = max((row.get("system/memory_mib", 0.0) for row in rows), default=0.0) * 2**20
    gpu = max((row.get("system/gpu_memory_mib", 0.0) for row in rows), default=0.0) * 2**20
    remarks = [f"{1 / pace:.2f} steps/s, {count} steps; {len(steps)} were tried", precision]
    if gpu:
        remarks.append(f"{decimal(int(gpu))} of the GPU's memory")
    remarks.append("plateaus (select.patience) may end it sooner")
    return Plan(
        what=f"{stage}, by {PARAMS}",
        seconds=seconds,
        # the images lie beside the checkpoints and in the artifacts, where links are not had
        disk=int(int(section["keep"]) * state + 2 * samples + 2 * lines + networks),
        memory=int(memory),
        remarks=tuple(remarks),
    )
