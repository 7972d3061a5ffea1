"""The fingerprint of a training: a hash of everything that decides its weights."""

from collections.abc import Mapping
from typing import Any

from esrgan_core.data.pairs import PairStore
from esrgan_core.records import record_hash, to_record
from pipelines.training.config import TrainingConfig
from pipelines.training.record_types import TRAINING_RECORDS

ENGINE_VERSION = 3
"""Raised with every change after which the same parameters give other weights."""


def training_fingerprint(
    store: PairStore, config: TrainingConfig, identity: Mapping[str, Any]
) -> str:
    """Hash everything that decides the weights of a training.

    The number of steps counts only if the learning rate depends on it; otherwise a longer run
    continues a shorter one. Validation images count, since validation selects the weights; test
    images do not.

    Args:
        store: the pairs.
        config: with resolved precision.
        identity: everything else that decides the weights.

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
