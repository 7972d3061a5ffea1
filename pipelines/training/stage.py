"""The training of a DVC stage, from its fingerprint to its outputs."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.execution import Execution, has_batch_norm
from esrgan_core.engine.steps import GanStep, Step
from esrgan_core.files import atomic_path, write_text
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.weights import save_weights
from esrgan_core.precision import Precision
from esrgan_core.strict_json import to_json
from pipelines.config.artifacts import ARTIFACTS, PAIRS, generator_path
from pipelines.config.errors import as_user_error
from pipelines.evaluation.start import describe_start, start_lineage
from pipelines.runtime.lineage import git_commit
from pipelines.training.checkpointing import SAMPLES, checkpoint_folder
from pipelines.training.config import TrainingConfig, training_fingerprint
from pipelines.training.distributed import resolve_execution
from pipelines.training.results import write_result
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.trainer import Trainer


def train(
    stage: str,
    build_step: Callable[[Execution], Step],
    config: TrainingConfig,
    *,
    identity: Mapping[str, Any],
    start: NetworkState | None = None,
    semantic_maps: SemanticMaps | None = None,
) -> bool:
    """Run the training of a stage, or continue it, and write its outputs.

    `build_step` draws initial weights from torch's generator, and takes others from `start`;
    `identity` is everything else that decides the weights.

    Returns:
        Whether this process wrote the outputs: of several, the main one does.
    """
    execution = resolve_execution(stage, config)
    # after the test of an emulated precision, which draws random numbers in the main process
    torch.manual_seed(config.seed)
    with as_user_error():
        step = build_step(execution)
    store, identity = PairStore(PAIRS), dict(identity)
    if semantic_maps:
        identity["told"] = semantic_maps.identity
    if has_batch_norm(step.ema.network):
        # validation used to change the statistics of such networks
        identity["validated_in"] = "eval"
    config = replace(config, precision=step.execution.precision)
    folder = checkpoint_folder(stage, training_fingerprint(store, config, identity))
    trainer = Trainer(stage, step, store, config, folder, semantic_maps=semantic_maps)
    if not Checkpoints.steps_in(folder):
        _suggest_other_precision(trainer, identity)
        _suggest_other_recipe(trainer)
    if start and config.start:
        message = describe_start(config.start, start, step.ema.network)
        trainer.reporter.message(message)
    with trainer.locked():
        trainer.run()
        if not trainer.world.is_main:
            return False
        _write_reports(ARTIFACTS / stage, trainer)
        origin = start_lineage(config.start, identity)
        lineage = write_generator(generator_path(stage), trainer, **origin)
        write_result(folder, generator_path(stage))
        if isinstance(step, GanStep):
            network = step.discriminator
            path = generator_path(stage).with_name("discriminator.safetensors")
            save_weights(path, network.state_dict(), network.config, lineage)  # type: ignore[arg-type]  # no class declares `config`
        return True


def _suggest_other_precision(trainer: Trainer, identity: Mapping[str, Any]) -> None:
    """Log a message if the same recipe has checkpoints in the other precision only."""
    precision: Precision = "bf16" if trainer.config.precision == "fp32" else "fp32"
    config, stage = replace(trainer.config, precision=precision), trainer.stage
    other = checkpoint_folder(stage, training_fingerprint(trainer.store, config, identity))
    if steps := Checkpoints.steps_in(other):
        trainer.reporter.message(
            f"{other} has step {steps[-1]} of this recipe in {precision}; to continue it, "
            f"set {stage}.precision to {precision}"
        )


def _suggest_other_recipe(trainer: Trainer) -> None:
    """Log how to start from the newest checkpoint of another recipe, if there is one."""
    stage = trainer.stage
    others = trainer.folder.parent.glob("*/step_*.pt")
    newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None or trainer.config.start:
        return
    trainer.reporter.message(
        f"a new recipe; the newest checkpoint of another one is {newest}, and to start from its "
        f"network, run `esrgan params --set {stage}.start={newest}`"
    )


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


def _write_reports(folder: Path, trainer: Trainer) -> None:
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
