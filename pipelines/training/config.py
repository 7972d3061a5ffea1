"""The parameters that all training stages share, and the fingerprint that they decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import Compile
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.precision import PrecisionChoice
from esrgan_core.records import RECORDS, RecordType, record_hash, same, to_record

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


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Section of a training stage in params.yaml."""

    start: str = ""
    """A file of weights with its hash, or a registered version; empty for the stage's own start."""
    steps: int
    patch_size: int
    batch_size: int
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    ema: float = 0.999
    select: SelectConfig = field(default_factory=SelectConfig)
    precision: PrecisionChoice = "auto"
    compile: Compile = "off"
    checkpointing: bool = False
    deterministic: bool = False
    workers: int = 1
    validate_every: int = 5000
    save_every: int = 1000
    save_minutes: float = 10.0
    keep: int = 2
    report_every: int = 100

    def __post_init__(self) -> None:
        if self.steps == 0 and not self.start:
            raise ValueError("steps must be at least 1, got 0: without a start nothing is trained")
        check_bounds(self, "steps")
        check_bounds(
            self, "patch_size", "batch_size", "workers", "keep",
            "validate_every", "save_every", "report_every", least=1,
        )  # fmt: skip
        if not self.save_minutes > 0:
            raise ValueError(f"save_minutes must be above 0, got {self.save_minutes}")
        check_bounds(self, "seed", below=2**64)  # the limit of torch and of the patch sampler
        check_bounds(self, "ema", below=1)
        initial_steps = {"schedule.warmup": self.schedule.warmup}
        for one in fields(self):
            if isinstance(value := getattr(self, one.name), OptimizerConfig):
                initial_steps[f"{one.name}.freeze_steps"] = value.freeze_steps
        for name, count in initial_steps.items():
            if self.steps and count >= self.steps:
                raise ValueError(f"{name} must be below steps, which is {self.steps}, got {count}")


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
