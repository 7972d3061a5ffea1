"""Weights on disk: safetensors with the network's config as a JSON entry of the header."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from esrgan_core.files import atomic_path
from esrgan_core.models import (
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    build_generator,
)
from esrgan_core.models.layouts import (
    Layout,
    StateDict,
    describe_network,
    detect_layout,
    from_layout,
    infer_config,
    to_layout,
)
from esrgan_core.records import RECORDS, from_fields, to_fields
from esrgan_core.strict_json import to_json
from esrgan_core.tensors import describe_not_finite

ENTRY = "esrgan"
OURS = "esrgan-pipeline"
"""Our own layout: BasicSR's keys, and an entry in the header."""
GENERATORS: Mapping[str, type[GeneratorConfig]] = {
    RECORDS[kind.__name__].kind: kind for kind in get_args(GeneratorConfig)
}
WRAPPERS = (
    "params_ema", "params-ema", "params", "state_dict", "model_state_dict", "generator_ema",
    "generator", "model", "net",
)  # fmt: skip
PREFIXES = ("module.", "_orig_mod.", "netG.")
PARTS = ("generator_ema.", "generator.")
"""Prefixes of the generator in a file that holds the discriminator, too: mmagic's."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsFile:
    """A generator's weights, from a file of any layout."""

    layout: str
    """`esrgan-pipeline` for our own files, or one of `layouts.LAYOUTS`."""
    config: GeneratorConfig
    state: StateDict
    """Tensors in float32 under our keys."""
    lineage: Mapping[str, str]
    """Of our own files; empty for others."""
    wrapper: str = ""
    """The keys above the tensors, such as `params_ema` or `state_dict.generator`."""


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


def _parse(entry: Mapping[str, Any], content: Mapping[str, Any]) -> WeightsFile:
    wrapper, state = _unwrap(content)
    if bad := describe_not_finite(state):
        raise ValueError(
            f"{bad}; the file is damaged, or its training diverged: use another checkpoint"
        )
    if (architecture := entry.get("architecture")) is not None:
        if architecture not in GENERATORS:
            raise ValueError(f"it holds a {architecture}, not one of {sorted(GENERATORS)}")
        config = from_fields(GENERATORS[architecture], entry["config"])
        return WeightsFile(layout=OURS, config=config, state=state, lineage=entry["lineage"])
    if not state:
        raise ValueError(f"it holds no tensors but {sorted(map(str, content))[:5]}")
    layout = detect_layout(state)
    if layout is None:
        raise ValueError(f"not an RRDBNet; it looks like {describe_network(state)}")
    state = from_layout(state, layout)
    config = infer_config(state)
    return WeightsFile(layout=layout, config=config, state=state, lineage={}, wrapper=wrapper)


def _read(path: Path) -> tuple[dict[str, str], Mapping[str, Any]]:
    """(header, content) of a safetensors or torch file."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    with path.open("rb") as file:
        head = file.read(16)
    try:
        if not _is_safetensors(head) and (head[:2] == b"PK" or head[:1] == b"\x80"):
            content = torch.load(path, map_location="cpu", weights_only=True)
            return {}, content if isinstance(content, Mapping) else {type(content).__name__: None}
        with safe_open(path, framework="pt") as tensors:
            names = tensors.keys()
            return tensors.metadata() or {}, {name: tensors.get_tensor(name) for name in names}
    except UnpicklingError as error:
        raise ValueError(
            f"{path} would run code when loaded, so it was not loaded; "
            "export a plain state dict from its program"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is {_kind_of_file(head)} ({error})") from error


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


def _unwrap(content: Mapping[str, Any]) -> tuple[str, StateDict]:
    """(wrappers, tensors of the generator), without the prefixes of DDP and compile."""
    for wrapper in WRAPPERS:
        if isinstance(inner := content.get(wrapper), Mapping):
            below, state = _unwrap(inner)
            return f"{wrapper}.{below}" if below else wrapper, state
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    while state and any(all(key.startswith(prefix) for key in state) for prefix in PREFIXES):
        state = {key.partition(".")[2]: value for key, value in state.items()}
    for part in PARTS:
        if named := {key[len(part) :]: state[key] for key in state if key.startswith(part)}:
            return part.removesuffix("."), _unwrap(named)[1]
    return "", state


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
    network = build_generator(found.config)
    load_state(network, found.state, path)
    return network.eval()


def digest(network: nn.Module) -> str:
    """SHA-256 of a network's tensors and their names."""
    total = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        total.update(key.encode())
        total.update(_plain(value).numpy().tobytes())
    return total.hexdigest()


def load_state(network: nn.Module, state: StateDict, path: Path) -> None:
    """Load tensors into a network of the same shape.

    Raises:
        ValueError: if keys or shapes differ; names the file.
    """
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(network).__name__}: {error}") from error


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


def _similarity(first: StateDict, second: StateDict) -> float:
    """Cosine between two networks' convolutions."""
    pairs = [(first[key].flatten(), second[key].flatten()) for key in first if first[key].ndim > 1]
    product = sum(float(a @ b) for a, b in pairs)
    squares = (sum(float(pair[side] @ pair[side]) for pair in pairs) for side in (0, 1))
    return product / max(math.prod(squares) ** 0.5, 1e-30)
