"""Records of settings, for hashes and files; names on disk are independent of names in code.

A class, field or default may change in code without a change on disk. `RECORDS` maps the names:
a renamed field keeps its name on disk, and a new field gets an absent value, with the behavior of
programs before the field. A record omits fields with their absent value, so that old records and
their hashes do not change.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordType:
    """How one class of settings is stored."""

    kind: str
    """Name of the class on disk."""
    names: Mapping[str, str]
    """Names on disk by names in code; a field without one is neither hashed nor stored."""
    absent: Mapping[str, Any] = field(default_factory=dict)
    """The value to omit, by name on disk."""


def same(*names: str) -> dict[str, str]:
    """Fields with the same name on disk as in code."""
    return {name: name for name in names}


def _record(kind: str, *names: str, **absent: Any) -> RecordType:
    """A class whose fields have the same names on disk."""
    return RecordType(kind=kind, names=same(*names), absent=absent)


RECORDS: Mapping[str, RecordType] = {
    "RRDBNetConfig": _record(
        "RRDBNet", "scale", "num_features", "num_blocks", "growth_channels", "residual_scale",
        "init", "block", "batch_norm", "unshuffle",
        residual_scale=0.2, block="rrdb", batch_norm=False, unshuffle=None,
    ),
    "SRResNetConfig": _record("SRResNet", "scale", "num_features", "num_blocks"),
    "SRCNNConfig": _record("SRCNN", "scale", "kernels", "num_features"),
    "SFTNetConfig": _record(
        "SFTNet", "scale", "num_features", "num_blocks", "num_classes", "condition_features",
        "form",
    ),
    "VGGDiscriminatorConfig": _record("VGGDiscriminator", "patch_size", "num_features"),
    "SRGANDiscriminatorConfig": _record("SRGANDiscriminator", "patch_size", "num_features"),
    "ClassDiscriminatorConfig": _record(
        "ClassDiscriminator", "patch_size", "num_features", "num_classes"
    ),
    "OptimizerConfig": RecordType(
        kind="optimizer",
        names=same("learning_rate", "betas", "kind", "momentum", "rate_factors")
        | {"freeze_steps": "held"},
        absent={
            "betas": [0.9, 0.999], "kind": "adam", "momentum": 0.9, "rate_factors": {}, "held": 0,
        },
    ),
    "Schedule": RecordType(
        kind="schedule",
        names=same("kind", "milestones", "gamma", "floor", "warmup"),
        absent={"milestones": [], "gamma": 0.5, "floor": 0.0, "warmup": 0},
    ),
    "SelectConfig": _record(
        "select", "metric", "psnr_y_loss", "patience", psnr_y_loss=None, patience=0
    ),
    "LossWeights": _record(
        "loss_weights", "pixel", "perceptual", "adversarial", "classification", classification=0.0
    ),
    "StoreFacts": _record("pair_store", "scale", "convention", "version"),
    "PairEntry": _record(
        "pair", "name", "split", "set", "hr_sha256", "lr_sha256", "height", "width"
    ),
    "UpscaleConfig": _record(
        "upscale", "device", "precision", "tile", "ensemble", "scale", "engine",
        tile=None, ensemble=False, scale=None, engine="torch",
    ),
}  # fmt: skip


def to_record(value: Any, records: Mapping[str, RecordType] = RECORDS) -> Any:
    """Convert settings to JSON types under their names on disk.

    A class without an entry is stored as its nearest base that has one.

    >>> from esrgan_core.models.configs import SRResNetConfig
    >>> to_record({"generator": SRResNetConfig(num_blocks=4)})
    {'generator': {'record': 'SRResNet', 'scale': 4, 'num_features': 64, 'num_blocks': 4}}

    Raises:
        TypeError: if a value or class has no form on disk.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): to_record(inner, records) for key, inner in value.items()}
        case list() | tuple():
            return [to_record(inner, records) for inner in value]
    return {"record": _record_type(type(value), records).kind} | to_fields(value, records)


def to_fields(value: Any, records: Mapping[str, RecordType] = RECORDS) -> dict[str, Any]:
    """The record of settings without the name of its kind, for files that imply it."""
    found = _record_type(type(value), records)
    content = {
        stored: to_record(getattr(value, name), records) for name, stored in found.names.items()
    }
    return {
        name: inner
        for name, inner in content.items()
        if name not in found.absent or inner != found.absent[name]
    }


def from_fields(
    kind: type[Settings], content: Mapping[str, Any], records: Mapping[str, RecordType] = RECORDS
) -> Settings:
    """Build a `kind` from the output of `to_fields`.

    Raises:
        ValueError: if a value is invalid, or this version of `kind` has no such name.
    """
    found = _record_type(kind, records)
    given = {**found.absent, **content}
    in_code = {stored: name for name, stored in found.names.items()}
    if unknown := sorted(given.keys() - in_code.keys()):
        raise ValueError(f"{found.kind} has no {unknown}; a newer version of this program wrote it")
    # JSON has no tuples
    return kind(
        **{
            in_code[name]: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
    )


def record_hash(value: Any, records: Mapping[str, RecordType] = RECORDS) -> str:
    """SHA-256 of the record of a value, in hexadecimal digits."""
    content = to_record(value, records)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))  # noqa: TID251  only hashed
    return hashlib.sha256(text.encode()).hexdigest()


def _record_type(kind: type, records: Mapping[str, RecordType]) -> RecordType:
    for base in kind.__mro__:
        if base.__name__ in records:
            return records[base.__name__]
    raise TypeError(f"{kind.__name__} has no entry in RECORDS, so no form on disk")
