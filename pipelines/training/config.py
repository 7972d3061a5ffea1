"""What every training stage reads of params.yaml, and what of it decides the weights."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from esrgan_core.bounds import check_bounds
from esrgan_core.data.pairs import PairStore
from esrgan_core.devices import (
    Precision,
    PrecisionChoice,
    bf16_slowdown,
    has_native_bf16,
    resolve_precision,
)
from esrgan_core.engine.execution import Compile, Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.memory import keep_freed_memory
from esrgan_core.records import record_hash, to_record
from pipelines.training.distributed import (
    agree,
    device_of_rank,
    set_determinism,
    world_of_environment,
)
from pipelines.training.record_types import TRAINING_RECORDS

ENGINE_VERSION = 3
"""Raised with every change that makes the same parameters train to other weights."""

SEEDS = 2**64
"""What torch's and the patches' random numbers can begin from: a seed is below this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """What every training stage's section of params.yaml has."""

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
        """Refuse what no training can begin with, and what would train nothing."""
        check_bounds(
            self, "steps", "patch_size", "batch_size", "workers", "keep",
            "validate_every", "save_every", "report_every", least=1,
        )  # fmt: skip
        if not self.save_minutes > 0:
            raise ValueError(f"save_minutes must be above 0, got {self.save_minutes}")
        check_bounds(self, "seed", below=SEEDS)
        check_bounds(self, "ema", below=1)
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        beginnings = {"schedule.warmup": self.schedule.warmup} | {
            f"{name}.freeze_steps": value.freeze_steps
            for name, value in values.items()
            if isinstance(value, OptimizerConfig)
        }
        for name, count in beginnings.items():
            if count >= self.steps:
                raise ValueError(f"{name} must be below steps, which is {self.steps}, got {count}")

    def execution(self, stage: str) -> Execution:
        """How steps of a stage are computed here, from this and the environment.

        The precision is resolved once for all ranks, and reported.
        """
        set_determinism(on=self.deterministic)
        device, world = device_of_rank(), world_of_environment()
        if device.type == "cpu":
            keep_freed_memory()
        precision: Precision = agree(  # type: ignore[assignment]  # one of the two it resolves to
            "precision", lambda: resolve_precision(self.precision, device), world
        )
        if world.is_main:
            message = precision_message(self.precision, precision, device)
            print(f"{stage}: {message}", file=sys.stderr, flush=True)
        return Execution(
            precision=precision,
            compile=self.compile,
            checkpointing=self.checkpointing,
            world=world,
            device=device,
        )


def precision_message(wanted: PrecisionChoice, found: Precision, device: torch.device) -> str:
    """What a training computes in and why; a warning, with a measurement, where bf16 is emulated.

    Measuring takes about a second.
    """
    if found == "bf16" and not has_native_bf16(device):
        return (
            f"warning: precision is bf16, which {device} emulates: a convolution takes "
            f"{bf16_slowdown(device):.1f} times as long as in fp32 (just measured); "
            "set precision to auto"
        )
    why = ""
    if wanted == "auto":
        native = "computes in bf16" if found == "bf16" else "does not compute in bf16"
        why = f" (auto: {device} {native} natively)"
    return f"training in {found} on {device}{why}"


def fingerprint_of(store: PairStore, config: TrainingConfig, identity: Mapping[str, Any]) -> str:
    """A short name for everything that decides what weights come out.

    The number of steps counts only where the rate depends on it, so that elsewhere a longer
    run continues a shorter one. Validations count, since one of them chooses the weights.

    Args:
        store: the pairs; those of its test split do not count.
        config: the stage's section, its precision resolved.
        identity: whatever else decides the weights.

    Raises:
        ValueError: if the precision is not resolved.
    """
    if config.precision == "auto":
        raise ValueError("precision must be resolved before a training has a fingerprint")
    mathematics = to_record(config, TRAINING_RECORDS)
    if config.schedule.kind == "multistep":
        del mathematics["steps"]
    everything = [ENGINE_VERSION, store.content_hash("train", "val"), mathematics, dict(identity)]
    return record_hash(everything, TRAINING_RECORDS)[:16]


def in_other_precision(config: TrainingConfig) -> TrainingConfig:
    """The same recipe in the precision that it is not trained in."""
    return replace(config, precision="bf16" if config.precision == "fp32" else "fp32")
