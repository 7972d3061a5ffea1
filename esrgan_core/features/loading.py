"""Layer selection and published weights of the feature networks."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from esrgan_core.tensors import describe_not_finite


def select_layers(
    network: str, names: list[str], layers: Iterable[str]
) -> tuple[frozenset[str], int]:
    """(the selected layers, index of the last one, after which nothing is computed).

    Raises:
        ValueError: if a layer is unknown, or none is selected.
    """
    wanted = frozenset(layers)
    if unknown := wanted - set(names):
        raise ValueError(f"{network} has no {sorted(unknown)}; it has {names}")
    if not wanted:
        raise ValueError(f"name at least one layer of {network}")
    return wanted, max(names.index(layer) for layer in wanted)


def load_features(network: nn.Module, weights: Path, keys: Mapping[str, str] | None = None) -> None:
    """Load float32 weights into `network`; other tensors of the file are ignored.

    Args:
        network: the network.
        weights: a file of torch.
        keys: the file's key by key of the network; None if they are equal.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it cannot be read without pickle, or weights are missing or not finite.
    """
    if not weights.is_file():
        raise FileNotFoundError(f"no weights at {weights}")
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{weights} is not a plain file of weights ({error})") from error
    names = keys or {key: key for key in network.state_dict()}
    if missing := [name for name in names.values() if name not in state]:
        raise ValueError(
            f"{weights} lacks {missing[:3]}; is it of another network? "
            f"(it has {list(state)[:3]}, ...)"
        )
    if bad := describe_not_finite({name: state[name] for name in names.values()}):
        raise ValueError(f"{weights}: {bad}; the file is damaged: download it again")
    try:
        network.load_state_dict({ours: state[name].float() for ours, name in names.items()})
    except RuntimeError as error:
        raise ValueError(f"{weights}: {error}") from error
