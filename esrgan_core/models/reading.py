"""Files of weights; torch is imported only for pickles, bf16, and networks other than RRDBNet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from safetensors import SafetensorError, safe_open

from esrgan_core.models.configs import GeneratorConfig, RRDBNetConfig
from esrgan_core.models.layouts import (
    State,
    describe_network,
    detect_layout,
    find_misfit,
    from_layout,
    infer_config,
)
from esrgan_core.models.network_state import NetworkState
from esrgan_core.records import RECORDS, from_fields

if TYPE_CHECKING:
    from esrgan_core.models.build import Generator

ENTRY = "esrgan"
OURS = "esrgan-pipeline"
"""Our own layout: BasicSR's keys, and an entry in the header."""
GENERATORS: Mapping[str, type[GeneratorConfig]] = {
    RECORDS[kind.__name__].kind: kind for kind in get_args(GeneratorConfig)
}
WRAPPERS = (
    "params_ema", "params-ema", "params", "state_dict", "model_state_dict", "generator_ema",
    "ema", "generator", "model", "net",
)  # fmt: skip
PREFIXES = ("module.", "_orig_mod.", "netG.")
PARTS = ("generator_ema.", "generator.")
"""Prefixes of the generator in a file that holds the discriminator, too: mmagic's."""
NUMPY_TYPES = {"BOOL", "F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8"}
"""Types of safetensors that numpy has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsFile:
    """A generator's weights, from a file of any layout."""

    layout: str
    """`esrgan-pipeline` for our own files, or one of `layouts.LAYOUTS`."""
    config: GeneratorConfig
    state: State
    lineage: Mapping[str, str]
    """Of our own files; empty for others."""
    wrapper: str = ""
    """The keys above the tensors, such as `params_ema` or `state_dict.generator`."""


def load_network(path: Path) -> NetworkState:
    """Read the generator of a file, ours or published.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds another architecture, or tensors that do not fit it.
    """
    found = read_weights(path)

    def build() -> "Generator":
        from esrgan_core.models.build import build_network  # noqa: PLC0415  imports torch

        return build_network(found.config, found.state, path)

    if not isinstance(found.config, RRDBNetConfig):
        build()  # only torch knows the tensors of other networks
    return NetworkState(config=found.config, arrays=found.state, build=build)


def read_weights(path: Path) -> WeightsFile:
    """Read a generator from our own file or a published one, without running pickle.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it has other content, which the message describes, or a value is not finite.
    """
    metadata, content = _read(path)
    try:
        return _parse(json.loads(metadata.get(ENTRY, "{}")), content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_state(path: Path) -> State:
    """Read the tensors of any network, by their own names, without running pickle.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it has other content, or a value is not finite.
    """
    _, content = _read(path)
    try:
        return _finite_tensors(content)[1]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _parse(entry: Mapping[str, Any], content: Mapping[str, Any]) -> WeightsFile:
    wrapper, state = _finite_tensors(content)
    if (architecture := entry.get("architecture")) is not None:
        if architecture not in GENERATORS:
            raise ValueError(f"it holds a {architecture}, not one of {sorted(GENERATORS)}")
        config = from_fields(GENERATORS[architecture], entry["config"])
        if isinstance(config, RRDBNetConfig) and (misfit := find_misfit(state, config)):
            raise ValueError(f"it does not fit RRDBNet: {misfit}")
        return WeightsFile(layout=OURS, config=config, state=state, lineage=entry["lineage"])
    if not state:
        raise ValueError(f"it holds no tensors but {sorted(map(str, content))[:5]}")
    layout = detect_layout(state)
    if layout is None:
        raise ValueError(f"not an RRDBNet; it looks like {describe_network(state)}")
    state = from_layout(state, layout)
    config = infer_config(state)
    return WeightsFile(layout=layout, config=config, state=state, lineage={}, wrapper=wrapper)


def _finite_tensors(content: Mapping[str, Any]) -> tuple[str, dict[str, np.ndarray]]:
    """(wrappers, tensors of the network), in float32; a ValueError if one is not finite."""
    wrapper, found = _unwrap(content)
    if bad := [name for name, value in found.items() if not np.isfinite(value).all()]:
        raise ValueError(
            f"{len(bad)} of {len(found)} tensors hold values that are not finite, first {bad[0]}; "
            "the file is damaged, or its training diverged: use another checkpoint"
        )
    return wrapper, {name: _as_float32(value) for name, value in found.items()}


def _as_float32(value: np.ndarray) -> np.ndarray:
    """Integers, which count batches, stay such."""
    return value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value


def _read(path: Path) -> tuple[dict[str, str], Mapping[str, Any]]:
    """(header, content) of a safetensors or torch file, with tensors as arrays."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    with path.open("rb") as file:
        head = file.read(16)
    try:
        if not _is_safetensors(head) and (head[:2] == b"PK" or head[:1] == b"\x80"):
            return {}, _read_pickle(path)
        with safe_open(path, framework="np") as tensors:
            names, metadata = tensors.keys(), tensors.metadata() or {}
            if {tensors.get_slice(name).get_dtype() for name in names} <= NUMPY_TYPES:
                return metadata, {name: tensors.get_tensor(name) for name in names}
        with safe_open(path, framework="pt") as tensors:
            return metadata, _as_arrays({name: tensors.get_tensor(name) for name in names})
    except UnpicklingError as error:
        raise ValueError(
            f"{path} would run code when loaded, so it was not loaded; "
            "export a plain state dict from its program"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is {_kind_of_file(head)} ({error})") from error


def _read_pickle(path: Path) -> Mapping[str, Any]:
    import torch  # noqa: PLC0415  a second

    # opened, since torch takes a path with the suffix .safetensors for such a file
    with path.open("rb") as file:
        content = torch.load(file, map_location="cpu", weights_only=True)
    return _as_arrays(content) if isinstance(content, Mapping) else {type(content).__name__: None}


def _as_arrays(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Content with its tensors as arrays, at all levels."""
    from torch import Tensor  # noqa: PLC0415  a second

    def convert(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: convert(inner) for name, inner in value.items()}
        if not isinstance(value, Tensor):
            return value
        # numpy has no bf16
        exact = not value.is_floating_point() or value.dtype.itemsize >= 4
        return (value if exact else value.float()).detach().numpy()

    return convert(content)


def _is_safetensors(head: bytes) -> bool:
    """Whether a file starts with the length of a header and the header's JSON.

    The first byte may equal that of a pickle; torch would then read the tensors without the header.
    """
    return head[5:8] == b"\0\0\0" and head[8:9] == b"{"


def _kind_of_file(head: bytes) -> str:
    kinds = {
        b"<": "a web page, not weights; download it again",
        b"version https://": "a pointer of Git LFS, not weights; run `git lfs pull`",
        b"PK": "a damaged or foreign zip archive",
        b"\x80": "a damaged pickle",
        b"\x08": "probably an ONNX model, not weights",
    }
    found = (name for start, name in kinds.items() if head.lstrip().startswith(start))
    return next(found, "neither a safetensors nor a torch file, or damaged")


def _unwrap(content: Mapping[str, Any]) -> tuple[str, dict[str, np.ndarray]]:
    """(wrappers, tensors of the generator), without the prefixes of DDP and compile."""
    for wrapper in WRAPPERS:
        if isinstance(inner := content.get(wrapper), Mapping):
            below, state = _unwrap(inner)
            return f"{wrapper}.{below}" if below else wrapper, state
    state = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    while state and any(all(key.startswith(prefix) for key in state) for prefix in PREFIXES):
        state = {key.partition(".")[2]: value for key, value in state.items()}
    for part in PARTS:
        if named := {key[len(part) :]: state[key] for key in state if key.startswith(part)}:
            return part.removesuffix("."), _unwrap(named)[1]
    return "", state
