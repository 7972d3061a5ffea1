"""What a training or a batch of pictures will take, told from a short piece of the work itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.filesize import decimal
from ruamel.yaml import YAML

from esrgan_core.engine.journal import Journal
from esrgan_core.image import BadImageError
from esrgan_core.inference.parts import WHOLE, bytes_for, side_for
from esrgan_core.inference.upscaler import UpscaleConfig, Upscaler
from esrgan_core.memory import free_memory
from esrgan_core.models import build_generator
from esrgan_core.models.weights import save_weights
from esrgan_core.pictures.fitting import fit_to
from esrgan_core.pictures.picture import Picture
from esrgan_core.pictures.reading import picture_size, read_picture
from esrgan_core.pictures.writing import encode
from pipelines.leftovers import bytes_in
from pipelines.params import PARAMS, check, load_params, read_yaml
from pipelines.paths import PAIRS, PRETRAINED, state_root
from pipelines.stages.pretrain import Params as Pretraining
from pipelines.upscaling.jobs import Job, Output
from pipelines.upscaling.model import Model

TRAININGS = ("pretrain", "finetune")
STEPS = 30
"""Of a training that is tried ..."""
SECONDS = 120.0
"""... and how long at most."""
VALIDATE_AT, SAVE_AT = 10, 15
WARMING = 3
"""Steps that are slower than the rest."""
LEAST = 6
TRIED = 7
"""Pictures of a batch that are tried."""
MOST_SIDE = 320
"""Of a picture that is tried whole; of larger ones a piece of that size is."""
BYTES_PER_ROW = 400
"""Of a training's journal and curve."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What some work takes."""

    what: str
    seconds: float
    disk: int
    """Bytes that it leaves."""
    memory: int
    """Bytes at its peak, of the machine or, computing on a GPU, of the process beside it."""
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As lines."""
        lines = [
            self.what,
            f"  time    {timedelta(seconds=round(self.seconds))}",
            f"  disk    {decimal(self.disk)}",
            f"  memory  {decimal(self.memory)}",
        ]
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])


def plan_upscaling(
    model: Model, config: UpscaleConfig, jobs: Sequence[Job], output: Output
) -> Plan:
    """Try some of the pictures, and tell from them what all will take.

    Raises:
        ValueError: if none can be read.
    """
    sizes: dict[Job, int] = {}
    bad = 0
    for job in jobs:
        try:
            height, width = picture_size(job.source)
            sizes[job] = height * width
        except (BadImageError, OSError):
            bad += 1
    if not sizes:
        raise ValueError("none of the pictures can be read")
    upscaler = Upscaler(model.network, config, free_memory=free_memory)
    ordered = sorted(sizes, key=sizes.__getitem__)
    chosen = [ordered[round(i)] for i in np.linspace(0, len(ordered) - 1, min(TRIED, len(sizes)))]
    paces, densities, areas = [], [], []
    _tried(upscaler, chosen[0], output)  # the first is slower than the rest
    for job in chosen:
        try:
            pixels, seconds, bytes_ = _tried(upscaler, job, output)
        except (BadImageError, OSError):
            continue
        areas.append(pixels)
        paces.append(seconds / pixels)
        densities.append(bytes_ / pixels)
    if not areas:
        raise ValueError("none of the pictures that were tried can be upscaled")
    order = np.argsort(areas)
    known, pace = np.array(areas)[order], np.array(paces)[order]
    total = sum(sizes.values())
    seconds = sum(float(np.interp(size, known, pace)) * size for size in sizes.values())
    largest = ordered[-1]
    height, width = picture_size(largest.source)
    memory = _memory(upscaler, height, width)
    remarks = [f"{len(sizes)} pictures, {total / 1e6:.1f} megapixels, {len(areas)} of them tried"]
    if bad:
        remarks.append(f"{bad} cannot be read and are left out")
    side = side_for(upscaler.full, height, width, free_memory())
    if side != WHOLE and config.tile is None:
        remarks.append(f"the largest goes in tiles of {side} pixels")
    return Plan(
        what=f"{model.words}: {len(sizes)} to upscale x{upscaler.scale:g}",
        seconds=seconds,
        disk=round(total * float(np.average(densities, weights=areas))),
        memory=memory,
        remarks=tuple(remarks),
    )


def _tried(upscaler: Upscaler, job: Job, output: Output) -> tuple[int, float, int]:
    """(pixels, seconds, bytes of the file) of a picture, or of its middle if it is large."""
    began = time.perf_counter()
    picture = read_picture(job.source)
    reading = time.perf_counter() - began
    whole = picture.pixels.shape[0] * picture.pixels.shape[1]
    middle = _middle(picture)
    pixels = middle.pixels.shape[0] * middle.pixels.shape[1]
    began = time.perf_counter()
    format_ = output.format_for(job.target.name)
    data = encode(fit_to(upscaler(middle), format_), format_, output.quality)
    seconds = time.perf_counter() - began
    return pixels, seconds + reading * pixels / whole, len(data)


def _middle(picture: Picture) -> Picture:
    height, width = picture.pixels.shape[:2]
    rows, columns = (
        slice(max(length - MOST_SIDE, 0) // 2, (length + min(length, MOST_SIDE)) // 2)
        for length in (height, width)
    )
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    return replace(picture, pixels=picture.pixels[rows, columns], alpha=alpha)


def _memory(upscaler: Upscaler, height: int, width: int) -> int:
    free = free_memory()
    needed = min(bytes_for(upscaler.full, height, width), free)
    rows, columns = upscaler.size_of(height, width)
    return needed + 3 * rows * columns


def plan_training(stage: str) -> Plan:
    """Train for a moment by params.yaml, apart from everything, and tell what all of it takes.

    Raises:
        ParamsError: if params.yaml is not valid.
        ValueError: if there are no pairs, or it cannot be trained.
    """
    params = read_yaml(PARAMS)
    check(params)
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
        return _told(stage, section, seconds_to_begin, journal, checkpoints, folder)


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
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
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
    rows = Journal(found[0]).rows() if found else []
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
    pictures = [bytes_in(path) for path in (checkpoints / "samples").glob("*")]
    samples = (count // every + 1) * (median(pictures) if pictures else 0)
    lines = BYTES_PER_ROW * (count // int(section["report_every"]) + count // every)
    networks = sum(path.stat().st_size for path in folder.glob("artifacts/*/*.safetensors"))
    memory = max((row.get("system/memory_mib", 0.0) for row in rows), default=0.0) * 2**20
    gpu = max((row.get("system/gpu_memory_mib", 0.0) for row in rows), default=0.0) * 2**20
    remarks = [f"{1 / pace:.2f} steps/s, {count} steps; {len(steps)} were tried"]
    if gpu:
        remarks.append(f"{decimal(int(gpu))} of the GPU's memory")
    remarks.append("plateaus (select.patience) may end it sooner")
    return Plan(
        what=f"{stage}, by {PARAMS}",
        seconds=seconds,
        # the pictures lie beside the checkpoints and in the artifacts, where links are not had
        disk=int(int(section["keep"]) * state + 2 * samples + 2 * lines + networks),
        memory=int(memory),
        remarks=tuple(remarks),
    )
