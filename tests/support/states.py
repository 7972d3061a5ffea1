"""Tensors of checkpoints, and damage to files."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch


def tensors(value: object, prefix: str = "") -> dict[str, torch.Tensor]:
    """All tensors and numbers in nested mappings, by path."""
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    if isinstance(value, int | float):
        return {prefix: torch.tensor(value, dtype=torch.float64)}
    if isinstance(value, Mapping):
        parts = [tensors(inner, f"{prefix}.{key}") for key, inner in value.items()]
        return {key: tensor for part in parts for key, tensor in part.items()}
    return {}


def damage(path: Path, random: Random, *, flip: bool) -> int:
    """Flip a bit of a file, or truncate it; return the position."""
    content = bytearray(path.read_bytes())
    position = random.randrange(len(content))
    if flip:
        content[position] ^= 1 << random.randrange(8)
    else:
        del content[position:]
    path.write_bytes(content)
    return position
