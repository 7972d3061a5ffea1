"""What every training stage reads of params.yaml, and what of it decides the weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.execution import Compile, Execution, Precision
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.memory import keep_freed_memory
from pipelines.ranks import device_of_rank, set_determinism, world_of_environment

ENGINE_VERSION = 2
"""Raised with every change that makes the same parameters train to other weights."""
NO_MATHEMATICS = (
    "save_every", "save_minutes", "keep", "report_every",
    "compile", "checkpointing", "accumulate", "workers", "deterministic",
)  # fmt: skip
"""Parameters that leave the weights as they are, but for rounding."""


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
    precision: Precision = "fp32"
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
        """Refuse counts that are not positive."""
        positive = (
            "steps", "patch_size", "batch_size", "workers", "keep",
            "validate_every", "save_every", "report_every",
        )  # fmt: skip
        for name in positive:
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.save_minutes <= 0:
            raise ValueError(f"save_minutes must be above 0, got {self.save_minutes}")

    def execution(self) -> Execution:
        """How steps are computed here, from this and the environment."""
        set_determinism(on=self.deterministic)
        device = device_of_rank()
        if device.type == "cpu":
            keep_freed_memory()
        return Execution(
            precision=self.precision,
            compile=self.compile,
            checkpointing=self.checkpointing,
            world=world_of_environment(),
            device=device,
        )


def fingerprint_of(store: PairStore, config: TrainingConfig, identity: Mapping[str, Any]) -> str:
    """A short name for everything that decides what weights come out.

    The number of steps counts only where the rate depends on it, so that elsewhere a longer
    run continues a shorter one. Validations count, since one of them chooses the weights.
    """
    mathematics = {key: v for key, v in asdict(config).items() if key not in NO_MATHEMATICS}
    if config.schedule.kind == "multistep":
        del mathematics["steps"]
    everything = [ENGINE_VERSION, store.fingerprint, mathematics, dict(identity)]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]
