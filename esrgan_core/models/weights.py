"""Weights on disk: safetensors with a JSON entry that says what network they belong to."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from esrgan_core.files import atomic_path
from esrgan_core.models import GeneratorConfig, build_generator
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig

ENTRY = "esrgan"
GENERATORS = {"RRDBNet": RRDBNetConfig}
State = dict[str, Tensor]


def save_weights(
    path: Path,
    state: Mapping[str, Tensor],
    config: GeneratorConfig | VGGDiscriminatorConfig,
    lineage: Mapping[str, str],
) -> None:
    """Write a state dict atomically, with its architecture and where it comes from.

    Args:
        path: a `.safetensors` file.
        state: tensors by key; copied to contiguous memory.
        config: the network's shape; its class name becomes the architecture.
        lineage: training fingerprint, git commit, data hash and the like.
    """
    entry = {
        "architecture": type(config).__name__.removesuffix("Config"),
        "config": asdict(config),
        "lineage": dict(lineage),
    }
    tensors = {
        key: value.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        for key, value in state.items()
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={ENTRY: json.dumps(entry, sort_keys=True)})


def read_weights(path: Path) -> tuple[dict[str, object], State]:
    """(the JSON entry, tensors by key) of a file that `save_weights` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no safetensors file, or has no entry.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from error
    if ENTRY not in metadata:
        raise ValueError(f"{path} does not say what network it holds: no {ENTRY!r} in its header")
    return json.loads(metadata[ENTRY]), state


def load_generator(path: Path) -> RRDBNet:
    """Build the generator that a file describes, with its weights, in eval mode.

    Raises:
        ValueError: if the file holds another architecture, or tensors that do not fit it.
    """
    entry, state = read_weights(path)
    architecture = entry["architecture"]
    if architecture not in GENERATORS:
        raise ValueError(f"{path} holds a {architecture}, not one of {sorted(GENERATORS)}")
    network = build_generator(GENERATORS[str(architecture)](**entry["config"]))  # type: ignore[arg-type]  # the constructor checks the values
    load_state(network, state, path)
    return network.eval()


def load_state(network: nn.Module, state: State, path: Path) -> None:
    """Load tensors into a network of exactly their shape.

    Raises:
        ValueError: if keys or shapes differ; names the file and the first few.
    """
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(network).__name__}: {error}") from error


def interpolate(psnr: State, gan: State, alpha: float) -> State:
    """Network interpolation, `(1 - alpha) psnr + alpha gan` (ESRGAN section 3.4, eq. 6).

    Exact at both ends: alpha 0 and 1 give the networks' own values.

    Raises:
        ValueError: if the networks differ in keys or shapes.
    """
    apart = psnr.keys() ^ gan.keys() or {key for key in psnr if psnr[key].shape != gan[key].shape}
    if apart:
        raise ValueError(
            f"the two networks differ in {sorted(apart)[:5]}; train one from the other"
        )
    if alpha in (0, 1):
        return dict(gan if alpha else psnr)
    return {key: torch.lerp(psnr[key], gan[key], alpha) for key in psnr}
