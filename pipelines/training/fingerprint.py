"""The fingerprint of a training: a hash of everything that decides its weights."""

from collections.abc import Mapping
from typing import Any

from esrgan_core.data.pairs import PairStore
from esrgan_core.records import RECORDS, RecordType, record_hash, same, to_record
from pipelines.training.config import TrainingConfig

ENGINE_VERSION = 3
"""Raised with every change after which the same parameters give other weights."""
TRAINING = same(
    "steps", "patch_size", "batch_size", "seed", "schedule", "ema", "select", "precision",
    "validate_every",
)  # fmt: skip
"""Fields that decide the weights; the others change them by rounding at most."""

TRAINING_RECORDS: Mapping[str, RecordType] = {
    **RECORDS,
    "TrainingConfig": RecordType(kind="training", names=TRAINING),
    "PixelTraining": RecordType(
        kind="pixel_training", names=TRAINING | same("loss", "optimizer"), absent={"loss": "l1"}
    ),
    "AdversarialTraining": RecordType(
        kind="adversarial_training",
        names=TRAINING
        | same("gan", "content", "weights", "generator_optimizer", "discriminator_optimizer"),
        absent={"gan": "relativistic_average", "content": "l1"},
    ),
    "SemanticMapsConfig": RecordType(kind="semantic_maps", names=same("maps", "classes", "seed")),
}  # fmt: skip


def training_fingerprint(
    store: PairStore, config: TrainingConfig, identity: Mapping[str, Any]
) -> str:
    """Hash everything that decides the weights: pairs, `config` and `identity`.

    The number of steps counts only if the learning rate depends on it; otherwise a longer run
    continues a shorter one. Validation images count, since validation selects the weights.

    Raises:
        ValueError: if the precision is not resolved.
    """
    if config.precision == "auto":
        raise ValueError("precision must be resolved before a training has a fingerprint")
    settings = to_record(config, TRAINING_RECORDS)
    if config.schedule.kind == "multistep":
        del settings["steps"]
    content = [ENGINE_VERSION, store.content_hash("train", "val"), settings, dict(identity)]
    return record_hash(content, TRAINING_RECORDS)[:16]
