"""Networks of torch from and to files: safetensors with the config as JSON in the header."""

import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from esrgan_core.files import atomic_path
from esrgan_core.models.build import (
    Generator,
    StateDict,
    build_generator,
    build_network,
    load_state,
    to_tensors,
)
from esrgan_core.models.configs import DiscriminatorConfig, GeneratorConfig
from esrgan_core.models.layouts import Layout, to_layout
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.reading import ENTRY, read_state, read_weights
from esrgan_core.records import RECORDS, to_fields
from esrgan_core.strict_json import to_json
from esrgan_core.tensors import describe_not_finite

RELATED = 0.5
"""Minimum cosine of the weights of related networks; near 1 after fine-tuning, near 0 for
independent networks."""


def save_weights(
    path: Path,
    state: Mapping[str, Tensor],
    config: GeneratorConfig | DiscriminatorConfig,
    lineage: Mapping[str, str],
) -> None:
    """Write a state dict atomically as safetensors, with its architecture and lineage.

    The lineage is the training fingerprint, git commit, data hash and so on.

    Raises:
        FloatingPointError: if a value is not finite; `path` is then unchanged.
    """
    if bad := describe_not_finite(state):
        raise FloatingPointError(f"{path} was not written: {bad}")
    entry = {
        "architecture": RECORDS[type(config).__name__].kind,
        "config": to_fields(config),
        "lineage": dict(lineage),
    }
    tensors = {key: _plain(value) for key, value in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={ENTRY: to_json(entry, sort_keys=True)})


def save_layout(path: Path, state: Mapping[str, Tensor], layout: Layout) -> None:
    """Write a generator for other programs; a `.pth` in BasicSR's layout is wrapped in `params`.

    Raises:
        ValueError: if the suffix is neither `.pth` nor `.safetensors`, or the layout lacks this
            network.
    """
    named = {key: _plain(value) for key, value in to_layout(state, layout).items()}
    if path.suffix not in (".pth", ".safetensors"):
        raise ValueError(f"{path}: use the suffix .pth or .safetensors")
    with atomic_path(path) as temporary:
        if path.suffix == ".pth":
            torch.save({"params": named} if layout == "basicsr" else named, temporary)
        else:
            save_file(named, temporary)


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous(memory_format=torch.contiguous_format)


def load_generator(path: Path) -> Generator:
    """Build the generator of a file, ours or published, with its weights, in eval mode.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds another architecture, or tensors that do not fit it.
    """
    found = read_weights(path)
    return build_network(found.config, found.state, path)


def load_discriminator(network: nn.Module, path: Path) -> None:
    """Load the weights of a file into a discriminator.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds another network, or a value is not finite.
    """
    load_state(network, to_tensors(read_state(path)), path)


def network_state(network: Generator) -> NetworkState:
    """A network as arrays that share its memory if it is on the CPU; it must not change then."""
    return NetworkState(
        config=network.config,
        arrays={name: _plain(value).numpy() for name, value in network.state_dict().items()},
        build=lambda: deepcopy(network),
    )


def interpolate(psnr: StateDict, gan: StateDict, alpha: float) -> StateDict:
    """Network interpolation, `(1 - alpha) psnr + alpha gan` (ESRGAN section 3.4, eq. 6).

    Exact at both ends: alpha 0 and 1 give the networks' own values.

    Raises:
        ValueError: if the networks differ in keys or shapes, or are unrelated: interpolation
            between unrelated networks gives noise.
    """
    if different := psnr.keys() ^ gan.keys() or {
        key for key in psnr if psnr[key].shape != gan[key].shape
    }:
        raise ValueError(
            f"the two networks differ in {sorted(different)[:5]}; train one from the other"
        )
    if (similarity := _similarity(psnr, gan)) < RELATED:
        raise ValueError(
            f"the two networks are unrelated (cosine of their weights {similarity:.2f}); "
            "interpolate between a network and one trained from it"
        )
    if alpha in (0, 1):
        return dict(gan if alpha else psnr)
    # counters of normalization are integers
    return {
        key: torch.lerp(psnr[key], gan[key], alpha) if psnr[key].is_floating_point() else gan[key]
        for key in psnr
    }


def load_interpolated(psnr: Path, gan: Path, alpha: float) -> Generator:
    """Build the generator `(1 - alpha) psnr + alpha gan` of two files, in eval mode.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: as `load_generator` and `interpolate`.
    """
    first, second = load_generator(psnr), load_generator(gan)
    between = build_generator(first.config)
    load_state(between, interpolate(first.state_dict(), second.state_dict(), alpha), gan)
    return between.eval()


def fitting_tensors(network: NetworkState, state: StateDict) -> StateDict:
    """The tensors of a network whose names and shapes occur in a state dict."""
    return {
        key: torch.from_numpy(value)
        for key, value in network.arrays.items()
        if key in state and state[key].shape == value.shape
    }


def _similarity(first: StateDict, second: StateDict) -> float:
    """Cosine between two networks' convolutions."""
    pairs = [(first[key].flatten(), second[key].flatten()) for key in first if first[key].ndim > 1]
    product = sum(float(a @ b) for a, b in pairs)
    squares = (sum(float(pair[side] @ pair[side]) for pair in pairs) for side in (0, 1))
    return product / max(math.prod(squares) ** 0.5, 1e-30)
