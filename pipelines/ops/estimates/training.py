"""The estimate of a training, from a trial of some steps."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from rich.filesize import decimal
from ruamel.yaml import YAML

from esrgan_core.devices import resolve_precision
from esrgan_core.engine.journal import MetricsJournal
from esrgan_core.models.build import build_generator
from esrgan_core.models.weights import save_weights
from pipelines.config.artifacts import PAIRS, PRETRAINED
from pipelines.config.errors import UserError
from pipelines.config.params import PARAMS, load_params, read_yaml
from pipelines.evaluation.start import find_generator
from pipelines.ops.estimates import format_estimate
from pipelines.runtime.disk import folder_bytes
from pipelines.runtime.state import REPOSITORY, state_root
from pipelines.stages.params_check import check_params
from pipelines.stages.pretrain import Params as PretrainParams
from pipelines.tracking.database import database_uri
from pipelines.training.distributed import current_device, precision_message

TRAININGS = ("pretrain", "finetune")
VALIDATE_EVERY, SAVE_EVERY = 10, 15
TRIAL = {"steps": 30, "report_every": 1, "validate_every": VALIDATE_EVERY, "save_every": SAVE_EVERY}
WARMUP = 3
"""Steps that are slower than the others."""
MIN_STEPS = 6
TIMEOUT, SECONDS_TO_SAVE = 120.0, 60.0
BYTES_PER_ROW = 400
"""Of a training's journal and curve."""


def estimate_trainings(stages: Sequence[str]) -> Iterator[str]:
    """Train some steps with the parameters of each stage in a temporary folder; yield estimates.

    Raises:
        ParamsError: if params.yaml is not valid.
        UserError: if there is no such training, there are no pairs, or the trial fails.
    """
    if unknown := set(stages) - set(TRAININGS):
        known = ", ".join(TRAININGS)
        raise UserError(f"unknown training {', '.join(sorted(unknown))}; choose from {known}")
    params = read_yaml(PARAMS)
    check_params(params)
    if not (PAIRS / "store.json").is_file():
        raise UserError(f"no pairs in {PAIRS}; `dvc repro bicubic` creates them")
    for stage in stages:
        section: dict[str, Any] = dict(params[stage])
        with _trial_folder(stage) as folder:
            YAML().dump({**params, stage: trial_section(section)}, folder / PARAMS)
            yield _extrapolate(stage, section, *_run_trial(stage, folder))


def trial_section(section: Mapping[str, Any]) -> dict[str, Any]:
    """A training's section with few steps; none of them is a warmup or freezes parameters."""
    short = {
        name: trial_section(value) if isinstance(value, Mapping) else value
        for name, value in section.items()
    }
    # both must be below `steps`, and neither changes the time of a step
    short |= {name: 0 for name in ("warmup", "freeze_steps") if name in short}
    return short | TRIAL if "steps" in short else short


@contextmanager
def _trial_folder(stage: str) -> Iterator[Path]:
    """A folder with links to what a stage reads, and a state root of its own."""
    with TemporaryDirectory(dir=state_root(), prefix="plan-") as name:
        folder = Path(name)
        (folder / PAIRS).parent.mkdir(parents=True)
        (folder / PAIRS).symlink_to(PAIRS.resolve())
        (folder / "state").mkdir()
        if (sources := state_root() / "sources").is_dir():
            (folder / "state" / "sources").symlink_to(sources)
        if stage != "pretrain":
            start = folder / PRETRAINED
            start.parent.mkdir(parents=True)
            if PRETRAINED.is_file():
                start.symlink_to(PRETRAINED.resolve())
            else:
                sections = load_params(PretrainParams)
                config = find_generator(sections.generator, sections.pretrain.start, sections.scale)
                save_weights(start, build_generator(config).state_dict(), config, {})
        yield folder


def _run_trial(stage: str, folder: Path) -> tuple[float, pd.DataFrame, Path]:
    """(seconds before the first step, rows of the journal by step, folder of checkpoints)."""
    env = os.environ | {
        "ESRGAN_STATE": str(folder / "state"),
        REPOSITORY: str(Path.cwd()),
        "MLFLOW_TRACKING_URI": database_uri(folder / "mlflow.db"),
    }
    log = folder / "log.txt"
    start = time.time()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"pipelines.stages.{stage}"],
            cwd=folder, env=env, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.terminate()  # it saves first
            process.wait(SECONDS_TO_SAVE)
        finally:
            process.kill()  # nothing, if it has ended
            process.wait()
    journals = list((folder / "state" / "checkpoints" / stage).glob("*/metrics.jsonl"))
    found = MetricsJournal(journals[0]).rows() if journals else [{"step": 0}]
    rows = pd.DataFrame(found).set_index("step")
    steps = _times(rows, "rate")
    if len(steps) < MIN_STEPS:
        last = " ".join(log.read_text().strip().splitlines()[-1:]) or "no output"
        raise UserError(f"{stage} made only {len(steps)} steps in {TIMEOUT:g} s: {last}")
    return steps.min() - start, rows, journals[0].parent


def _times(rows: pd.DataFrame, name: str) -> pd.Series:
    """The time in seconds of each step that reported a value."""
    return rows["time"][rows[name].notna()] / 1000 if name in rows else pd.Series(dtype=float)


def _extrapolate(
    stage: str, section: Mapping[str, Any], startup: float, rows: pd.DataFrame, checkpoints: Path
) -> str:
    steps = _times(rows, "rate")
    durations = steps.diff()[steps.index > WARMUP]
    before = durations.index - 1
    step_time = durations[(before % VALIDATE_EVERY > 0) & (before % SAVE_EVERY > 0)].median()
    validation_time = np.nan_to_num((_times(rows, "val/psnr_y") - steps).median())
    save_time = max(durations.get(SAVE_EVERY + 1, 0.0) - step_time, 0.0)
    count = int(section["steps"])
    validations, saves, reports = (
        count // int(section[name]) for name in ("validate_every", "save_every", "report_every")
    )
    seconds = startup + count * step_time + validations * validation_time + saves * save_time
    state = max((path.stat().st_size for path in checkpoints.glob("step_*.pt")), default=0)
    images = [folder_bytes(path) for path in (checkpoints / "samples").glob("*")] or [0]
    written = (validations + 1) * np.median(images) + BYTES_PER_ROW * (reports + validations)
    trial_folder = checkpoints.parents[3]
    networks = sum(path.stat().st_size for path in trial_folder.glob("artifacts/*/*.safetensors"))
    precision, device = section.get("precision", "auto"), current_device()
    notes = [
        f"{1 / step_time:.2f} steps/s, {count} steps; {len(steps)} were tried",
        precision_message(precision, resolve_precision(precision, device), device),
    ]
    peaks = rows.max(numeric_only=True) * 2**20
    if gpu_memory := int(peaks.get("system/gpu_memory_mib", 0)):
        notes.append(f"{decimal(gpu_memory)} of the GPU's memory")
    notes.append("it may end earlier at a plateau (select.patience)")
    return format_estimate(
        f"{stage}, by {PARAMS}",
        seconds=float(seconds),
        # twice: with the checkpoints and, where files cannot be linked, in the artifacts
        disk=int(int(section["keep"]) * state + 2 * written + networks),
        memory=int(peaks.get("system/memory_mib", 0)),
        notes=notes,
    )
