"""The files that a finished training writes to its stage's folder."""

import shutil
from pathlib import Path

import pandas as pd

from esrgan_core.files import atomic_path, write_text
from esrgan_core.models.weights import save_weights
from esrgan_core.strict_json import to_json
from pipelines.runtime.lineage import git_commit
from pipelines.training.checkpointing import SAMPLES
from pipelines.training.trainer import Trainer


def write_generator(path: Path, trainer: Trainer, **extra: str) -> dict[str, str]:
    """Write the selected weights; return their lineage, which is in the file's header."""
    lineage = {
        "fingerprint": trainer.folder.name,
        "data": trainer.store.content_hash("train", "val"),
        "git.commit": git_commit(),
        "precision": trainer.config.precision,
        "step": str(trainer.selection.step),
    } | extra
    save_weights(path, trainer.selection.weights, trainer.step.ema.network.config, lineage)
    return lineage


def write_reports(folder: Path, trainer: Trainer) -> None:
    """Write `curve.csv`, `usage.csv`, `metrics.json` and `samples/`."""
    folder.mkdir(parents=True, exist_ok=True)
    # the report and the validation of a step become one row
    curve = pd.DataFrame(trainer.reporter.journal.rows()).groupby("step", as_index=False).first()
    # separate, so that equal trainings have equal curves
    system = [name for name in curve if str(name).startswith("system/")]
    for name, table in {
        "curve.csv": curve.drop(columns=[*system, "time"]),
        "usage.csv": curve[["step", *system]].dropna(how="all", subset=system),
    }.items():
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    shutil.rmtree(folder / SAMPLES, ignore_errors=True)
    for images in sorted((trainer.folder / SAMPLES).iterdir()):
        if int(images.name) <= trainer.config.steps:
            shutil.copytree(images, folder / SAMPLES / images.name)
    selection, validator = trainer.selection, trainer.validator
    selected = curve[curve["step"] == selection.step].iloc[0]
    content = {
        "steps": int(curve["step"].max()),
        "precision": trainer.config.precision,
        "selected": {
            "step": selection.step,
            "by": trainer.config.select.metric,
            "within_bound": selection.is_within_bound,
        },
        "val": {name: float(selected[f"val/{name}"]) for name in validator.metrics},
        "alarms": validator.health.warnings,
    }
    write_text(folder / "metrics.json", to_json(content, indent=2) + "\n")
