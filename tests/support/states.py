"""States of trainings in tests: looked into, and spoiled."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch


def tensors(value: object, prefix: str = "") -> dict[str, torch.Tensor]:
    """All tensors in nested mappings, by path; numbers as tensors too."""
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    if isinstance(value, int | float):
        return {prefix: torch.tensor(value, dtype=torch.float64)}
    if isinstance(value, Mapping):
        parts = [tensors(inner, f"{prefix}.{key}") for key, inner in value.items()]
        return {key: tensor for part in parts for key, tensor in part.items()}
    return {}


def spoil(path: Path, random: Random, *, flip: bool) -> int:
    """Flip a bit of a file, or cut it; the byte at which."""
    content = bytearray(path.read_bytes())
    place = random.randrange(len(content))
    if flip:
        content[place] ^= 1 << random.randrange(8)
    else:
        del content[place:]
    path.write_bytes(content)
    return place
