"""The network that a training starts from: a file of weights, or a registered version.

A parameter names a file like any other (see `pipelines.sources.pinned`), or a version with the hash
of its network: `models:/esrgan/3?alpha=0.5#sha256=...`.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from esrgan_core.models.configs import GeneratorConfig, RRDBNetConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.reading import load_network, read_weights
from esrgan_core.models.weights import fitting_tensors
from pipelines.config.errors import UserError, as_user_error
from pipelines.sources.pinned import MARK, find_pinned, pin, split_pinned
from pipelines.tracking.database import has_store
from pipelines.tracking.model_files import RegisteredNetwork, load_registered

SCHEME = "models:/"
ALPHA = "?alpha="
OF_SCALE = ("scale", "unshuffle", "init")
"""Fields in which a network may differ from its start."""
MAX_NAMED = 3


def pin_start(value: str) -> str:
    """The value with the hash of its content, and with the number of a version and its alpha.

    Raises:
        UserError: if the file, version or alpha does not exist.
        OSError: if it cannot be read.
    """
    uri, digest = split_pinned(value)
    if digest or not uri.startswith(SCHEME):
        return pin(value)
    found = _load_registered(uri)
    version = f"{SCHEME}{found.version.model}/{found.version.version}"
    return f"{version}{ALPHA}{found.alpha!r}{MARK}{found.network.digest}"


def load_start(name: str, value: str, kind: type[GeneratorConfig]) -> NetworkState:
    """The network of a parameter, such as `pretrain.start`.

    Raises:
        UserError: if it cannot be found, is not of this kind or has another hash; names the
            parameter.
    """
    uri, expected = split_pinned(value)
    try:
        if expected and uri.startswith(SCHEME):
            network = _load_registered(uri).network
            if network.digest != expected:
                raise UserError(
                    f"its network has the sha256 {network.digest} and params.yaml has {expected}; "
                    f"set {name} to {uri} without a hash and run `esrgan params`"
                )
        else:
            network = load_network(find_pinned(value))
        check_kind(network.config, kind)
    except (OSError, ValueError) as error:
        raise UserError(f"{name} = {uri}: {error}") from error
    return network


def starting_network(
    stage: str, value: str, earlier: Path, kind: type[GeneratorConfig]
) -> NetworkState:
    """The network of the parameter `<stage>.start`, or that of an earlier stage if it is empty.

    Raises:
        UserError: as `load_start`.
    """
    if value:
        return load_start(f"{stage}.start", value, kind)
    with as_user_error():
        network = load_network(earlier)
        check_kind(network.config, kind)
    return network


def _load_registered(uri: str) -> RegisteredNetwork:
    address, _, text = uri.partition(ALPHA)
    try:
        alpha = float(text) if text else None
    except ValueError:
        alpha = -1.0
    if alpha is not None and not 0 <= alpha <= 1:
        raise UserError(f"alpha must be a number from 0 to 1, got {text!r}")
    if not has_store():
        raise UserError("nothing is registered here: there is no MLflow store; name a file")
    return load_registered(address, alpha)


def check_kind(config: GeneratorConfig, kind: type[GeneratorConfig]) -> None:
    """Raise a ValueError if a network is of another kind."""
    if not isinstance(config, kind):
        found, wanted = (one.__name__.removesuffix("Config") for one in (type(config), kind))
        raise ValueError(f"it holds an {found}, and this stage trains an {wanted}")


def find_generator(generator: RRDBNetConfig | None, start: str, scale: int) -> RRDBNetConfig:
    """The section `generator`, or the shape of `pretrain.start` if it is `from_start`.

    Raises:
        UserError: if the start cannot be used.
    """
    if generator is not None:
        return generator
    if not start:
        raise UserError("generator = from_start needs a network: set pretrain.start")
    config = load_start("pretrain.start", start, RRDBNetConfig).config
    assert isinstance(config, RRDBNetConfig)
    return config if config.scale == scale else replace(config, scale=scale, unshuffle=None)


def check_scale(stage: str, start: GeneratorConfig, scale: int) -> None:
    """Raise a UserError if the network to fine-tune has another scale."""
    if start.scale != scale:
        raise UserError(
            f"{stage}.start is a network of scale {start.scale}, and scale is {scale}; a pixel "
            "training can change the scale: set it as pretrain.start"
        )


def check_shape(
    name: str, start: GeneratorConfig, section: str, generator: GeneratorConfig
) -> None:
    """Raise a UserError if a generator differs from its start in more than the scale."""
    different = [
        one.name
        for one in fields(generator)
        if one.name not in OF_SCALE and getattr(start, one.name) != getattr(generator, one.name)
    ]
    if not different:
        return
    shapes = [
        ", ".join(f"{field} {getattr(config, field)}" for field in different)
        for config in (start, generator)
    ]
    values = " ".join(f"--set {section}.{field}={getattr(start, field)}" for field in different)
    whole = ", or --set generator=from_start" if section == "generator" else ""
    raise UserError(
        f"{name} has {shapes[0]}, and {section} has {shapes[1]}; run `esrgan params` with "
        f"{values}{whole}"
    )


def describe_start(value: str, start: NetworkState, network: nn.Module) -> str:
    """A message about the tensors that a network takes from its start."""
    state = network.state_dict()
    fitting = fitting_tensors(start, state)
    new = [key for key in state if key not in fitting]
    names = ", ".join(new[:MAX_NAMED]) + (", ..." if len(new) > MAX_NAMED else "")
    rest = f"; {len(new)} do not fit and are random: {names}" if new else ""
    uri = split_pinned(value)[0]
    return f"starting from {uri}: {len(fitting)} of {len(state)} tensors{rest}"


def start_lineage(value: str, identity: Mapping[str, Any]) -> dict[str, str]:
    """The entries of a network's lineage about its start, if a parameter names it."""
    return {"start": value, "start.sha256": identity["start"]} if value else {}


def earlier_start(path: Path) -> NetworkState | None:
    """The network from which the training of a file started; None if a parameter did not name it.

    Raises:
        UserError: if it cannot be found any more.
    """
    lineage, network = read_weights(path).lineage, load_network(path)
    if lineage.get("start.sha256", network.digest) == network.digest:
        return None  # it was handed on
    start = load_start("start", lineage["start"], type(network.config))
    return start if start.config.scale == network.config.scale else None


def take_tensors(network: nn.Module, start: NetworkState) -> None:
    """Copy the tensors that fit; the others keep their values."""
    state: dict[str, Tensor] = network.state_dict()
    network.load_state_dict(state | fitting_tensors(start, state))
