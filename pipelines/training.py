"""What both training stages share: resume, validate, report, and leave their files."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.evaluate import evaluate
from esrgan_core.engine.journal import Journal
from esrgan_core.engine.loop import Every, fit
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.signals import InterruptedTrainingError, heeding_signals
from esrgan_core.engine.steps import Precision, Step
from esrgan_core.files import atomic_path, write_text
from esrgan_core.image import write_png
from esrgan_core.inference.upscale import upscale
from esrgan_core.metrics import METRICS
from esrgan_core.models.weights import save_weights
from pipelines.guardian import sole_trainer
from pipelines.lineage import git_commit
from pipelines.paths import ARTIFACTS, state_root
from pipelines.progress import note, progress
from pipelines.samples import samples_of
from pipelines.tracking.live import shipping

ENGINE_VERSION = 1
"""Raised with every change that makes the same parameters train to other weights."""
REPORTING = ("validate_every", "save_every", "report_every")
VALIDATION_METRICS = {name: METRICS[name] for name in ("psnr_y", "ssim_y")}
PICTURE_SIDE = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """What every training stage's section of params.yaml has."""

    steps: int
    patch_size: int
    batch_size: int
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    ema: float = 0.999
    precision: Precision = "fp32"
    validate_every: int = 5000
    save_every: int = 1000
    report_every: int = 100

    def __post_init__(self) -> None:
        """Refuse counts that are not positive."""
        for name in ("steps", "patch_size", "batch_size", *REPORTING):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def fingerprint_of(store: PairStore, config: TrainingConfig, identity: Mapping[str, Any]) -> str:
    """A short name for everything that decides what weights come out.

    The number of steps counts only where the rate depends on it, so that elsewhere a longer
    run continues a shorter one.
    """
    mathematics = {key: value for key, value in asdict(config).items() if key not in REPORTING}
    if config.schedule.kind == "multistep":
        del mathematics["steps"]
    everything = [ENGINE_VERSION, store.fingerprint, mathematics, dict(identity)]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def train(
    stage: str, step: Step, store: PairStore, config: TrainingConfig, *, identity: Mapping[str, Any]
) -> dict[str, str]:
    """Run a stage's steps from where they stand, and leave everything but the weights.

    Leaves `curve.csv`, `metrics.json` and `samples/` in the stage's folder.

    Args:
        stage: name of the stage and of its folder.
        step: the update, its networks initialised.
        store: the training and validation pairs.
        config: the stage's section.
        identity: whatever else decides what weights come out.

    Returns:
        The lineage to write into the weights' header.
    """
    fingerprint = fingerprint_of(store, config, identity)
    folder = state_root() / "checkpoints" / stage / fingerprint
    with sole_trainer(folder, "cpu"):
        return _train(stage, step, store, config, folder, fingerprint)


def _train(
    stage: str, step: Step, store: PairStore, config: TrainingConfig, folder: Path, fingerprint: str
) -> dict[str, str]:
    checkpoints = Checkpoints(folder)
    journal = Journal(folder / "metrics.jsonl")
    done = checkpoints.restore(step.state(), at_most=config.steps)
    journal.forget_after(done)
    if done:
        print(f"{stage}: going on after step {done} of {folder}")
    sampler = PatchSampler(
        store, patch_size=config.patch_size, batch_size=config.batch_size, seed=config.seed
    )
    validation = samples_of(store, "val")
    latest: dict[str, float] = {}

    def validate(number: int) -> None:
        scored = list(
            evaluate(
                lambda lr: upscale(step.ema.network, lr),
                validation,
                VALIDATION_METRICS,
                store.facts.scale,
            )
        )
        for picture in scored:
            name = picture.name.rpartition("/")[2]
            write_png(folder / "samples" / f"{number:08}" / f"{name}.png", _center(picture.sr))
        for metric in VALIDATION_METRICS:
            latest[f"val/{metric}"] = fmean(picture.values[metric] for picture in scored)
        journal.append(number, latest)

    with (
        progress(stage, config.steps, done) as advance,
        shipping(stage, folder),
        heeding_signals() as requests,
    ):

        def report(number: int, terms: Mapping[str, float]) -> None:
            journal.append(number, terms)
            advance(number, note({**terms, **latest}))

        def save(number: int) -> None:
            try:
                checkpoints.save(number, step.state())
            except OSError as error:
                print(f"{stage}: step {number} was not saved: {error}; going on", file=sys.stderr)

        def heed(number: int) -> None:
            if requests.save or requests.stop:
                requests.save = False
                save(number)
            if requests.stop:
                raise InterruptedTrainingError(requests.stop, number)

        fit(
            step,
            sampler.batch,
            config.schedule,
            done=done,
            steps=config.steps,
            report=report,
            report_every=config.report_every,
            due=[
                Every(steps=config.validate_every, action=validate),
                Every(steps=config.save_every, action=save),
            ],
            between=heed,
        )
    _leave_files(ARTIFACTS / stage, folder, journal, config.steps)
    return {"fingerprint": fingerprint, "data": store.fingerprint, "git.commit": git_commit()}


def _center(pixels: Any) -> Any:
    top = max((pixels.shape[0] - PICTURE_SIDE) // 2, 0)
    left = max((pixels.shape[1] - PICTURE_SIDE) // 2, 0)
    return pixels[top : top + PICTURE_SIDE, left : left + PICTURE_SIDE]


def _leave_files(artifacts: Path, folder: Path, journal: Journal, steps: int) -> None:
    artifacts.mkdir(parents=True, exist_ok=True)
    rows = [row for row in journal.rows() if row["step"] <= steps]
    # a report and a validation of the same step become one line
    curve = pd.DataFrame(rows).groupby("step", as_index=False).first()
    with atomic_path(artifacts / "curve.csv") as temporary:
        curve.to_csv(temporary, index=False, float_format="%.6g")
    shutil.rmtree(artifacts / "samples", ignore_errors=True)
    for pictures in sorted((folder / "samples").iterdir()):
        if int(pictures.name) <= steps:
            shutil.copytree(pictures, artifacts / "samples" / pictures.name)
    last = curve.iloc[-1]
    metrics = {name: float(last[f"val/{name}"]) for name in VALIDATION_METRICS}
    content = {"steps": steps, "val": metrics}
    write_text(artifacts / "metrics.json", json.dumps(content, indent=2) + "\n")


def save_generator(stage: str, step: Step, lineage: Mapping[str, str]) -> None:
    """Write the averaged generator as the stage's `generator.safetensors`."""
    network = step.ema.network
    save_weights(
        ARTIFACTS / stage / "generator.safetensors", network.state_dict(), network.config, lineage
    )
