"""The training of a DVC stage, from its fingerprint to its outputs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch.nn import BatchNorm2d

from esrgan_core.data.pairs import PairStore
from esrgan_core.devices import Precision
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.steps import Step
from pipelines.config.artifacts import ARTIFACTS, generator_path
from pipelines.training.checkpointing import checkpoint_folder
from pipelines.training.config import TrainingConfig
from pipelines.training.fingerprint import training_fingerprint
from pipelines.training.outputs import write_generator, write_reports
from pipelines.training.results import write_result
from pipelines.training.semantic_maps import SemanticMaps
from pipelines.training.trainer import Trainer


def train(
    stage: str,
    step: Step,
    store: PairStore,
    config: TrainingConfig,
    *,
    identity: Mapping[str, Any],
    semantic_maps: SemanticMaps | None = None,
) -> dict[str, str] | None:
    """Run the training of a stage, or continue it, and write all outputs but the discriminator.

    `identity` is everything else that decides the weights.

    Returns:
        The lineage in the header of the weights; None in processes that write nothing.
    """
    identity = dict(identity)
    if semantic_maps:
        identity["told"] = semantic_maps.identity
    if any(isinstance(module, BatchNorm2d) for module in step.ema.network.modules()):
        # validation used to change the statistics of such networks
        identity["validated_in"] = "eval"
    config = replace(config, precision=step.execution.precision)
    folder = checkpoint_folder(stage, training_fingerprint(store, config, identity))
    trainer = Trainer(stage, step, store, config, folder, semantic_maps=semantic_maps)
    _suggest_other_precision(trainer, identity)
    with trainer.locked():
        trainer.run()
        if not trainer.world.is_main:
            return None
        write_reports(ARTIFACTS / stage, trainer)
        target = generator_path(stage)
        lineage = write_generator(target, trainer)
        write_result(folder, target)
        return lineage


def _suggest_other_precision(trainer: Trainer, identity: Mapping[str, Any]) -> None:
    """Log a message if the same recipe has checkpoints in the other precision only."""
    precision: Precision = "bf16" if trainer.config.precision == "fp32" else "fp32"
    config, stage = replace(trainer.config, precision=precision), trainer.stage
    other = checkpoint_folder(stage, training_fingerprint(trainer.store, config, identity))
    if (steps := Checkpoints.steps_in(other)) and not Checkpoints.steps_in(trainer.folder):
        trainer.reporter.message(
            f"{other} has step {steps[-1]} of this recipe in {precision}; to continue it, "
            f"set {stage}.precision to {precision}"
        )
