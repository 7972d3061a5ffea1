"""Key layouts of published RRDBNet checkpoints; BasicSR's is also our own.

| layout | first block's first convolution | where |
|---|---|---|
| `basicsr` | `body.0.rdb1.conv1.weight` | BasicSR from 1.0, Real-ESRGAN, mmagic |
| `esrgan` | `RRDB_trunk.0.RDB1.conv1.weight` | ESRGAN's test code, BSRGAN, x4plus in fp16 |
| `esrgan_old` | `model.1.sub.0.RDB1.conv1.0.weight` | ESRGAN's first release, community models |

The number of upsamplings by two and the input channels, of which pixel unshuffling makes 12 or 48,
give the scale: 1 to 16 in every layout. A network that upsamples once by three has the same tensors
as one that upsamples by two, and is read as such.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from esrgan_core.models.configs import RRDBNetConfig

Value = TypeVar("Value")
"""A tensor of torch, or an array."""
State = Mapping[str, np.ndarray]
"""Weights by our keys, in float32; counters of normalization are integers."""
Layout = Literal["basicsr", "esrgan", "esrgan_old"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_UNSHUFFLED = {3: 1, 12: 2, 48: 4}
"""Side of unshuffled blocks of pixels by number of input channels."""
_ESRGAN = {"conv_body": "trunk_conv", "conv_hr": "HRconv"}
_BLOCK = re.compile(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(weight|bias)")
_UPSAMPLING = re.compile(r"(?:conv_up|upconv)(\d+)\.weight")
# keys of other networks, for messages
_OTHER_NETWORKS = (
    (r"\.conv1x1\.", "ESRGAN+, whose dense blocks have further convolutions"),
    (r"features\.\d+\.(weight|bias)$", "a VGG or AlexNet classifier, for perceptual losses"),
    (r"(conv0_0|bn0_1|linear1)\.", "BasicSR's VGG-style discriminator"),
    (r"features\.\d+\.|classifier\.\d+\.", "a VGG-style discriminator"),
    (r"body\.\d+\.weight$", "SRVGGNetCompact (realesr-general, animevideo)"),
    (r"layers\.\d+\.residual_group\.", "SwinIR"),
    (r"(head|tail)\.\d+\.", "EDSR or RCAN"),
    (r"body\.\d+\.conv1\.weight$", "a network of plain residual blocks, MSRResNet perhaps"),
    (r"lin\d\.model\.", "the linear layers of LPIPS"),
    (r"_blocks\.\d+\._", "EfficientNet"),
)


def detect_layout(state: Mapping[str, Any]) -> Layout | None:
    """The layout of a state dict; None if it is not of an RRDBNet."""
    if any(".conv1x1." in key for key in state):
        return None
    if "body.0.rdb1.conv1.weight" in state:
        return "basicsr"
    if "RRDB_trunk.0.RDB1.conv1.weight" in state:
        return "esrgan"
    return "esrgan_old" if "model.1.sub.0.RDB1.conv1.0.weight" in state else None


def describe_network(state: Mapping[str, Any]) -> str:
    """Describe a state dict that is not of an RRDBNet, for an error message."""
    for pattern, name in _OTHER_NETWORKS:
        if any(re.search(pattern, key) for key in state):
            return name
    return f"an unknown network (first keys: {', '.join(list(state)[:3])})"


def key_in_layout(key: str, layout: Layout, blocks: int, upsamplings: int) -> str:
    """The key in another layout."""
    module, _, kind = key.rpartition(".")
    block = _BLOCK.fullmatch(key)
    match layout:
        case "basicsr":
            return key
        case "esrgan":
            if block:
                return "RRDB_trunk.{}.RDB{}.conv{}.{}".format(*block.groups())
            return f"{_ESRGAN.get(module, module.replace('conv_up', 'upconv'))}.{kind}"
        case "esrgan_old":
            if block:
                return "model.1.sub.{}.RDB{}.conv{}.0.{}".format(*block.groups())
            return f"model.{_old_name(module, blocks, upsamplings)}.{kind}"


def _old_name(module: str, blocks: int, upsamplings: int) -> str:
    """The place of a module outside of the blocks in the old layout's flat sequence.

    Each upsampling is three modules: repetition of pixels, convolution, activation.
    """
    if module.startswith("conv_up"):
        return str(3 * int(module.removeprefix("conv_up")))
    last = 3 * upsamplings + 4
    return {
        "conv_first": "0",
        "conv_body": f"1.sub.{blocks}",
        "conv_hr": str(last - 2),
        "conv_last": str(last),
    }[module]


def to_layout(state: Mapping[str, Value], layout: Layout) -> dict[str, Value]:
    """Convert our state dict to `layout`.

    Raises:
        ValueError: if the layout lacks the network: only RRDBs without normalization have all
            layouts.
    """
    blocks, ups = _shape(state)
    if layout != "basicsr" and not all(
        _BLOCK.fullmatch(key) for key in state if key.startswith("body.")
    ):
        raise ValueError(f"layout {layout} has no plain residual blocks or normalization")
    return {key_in_layout(key, layout, blocks, ups): value for key, value in state.items()}


def from_layout(state: Mapping[str, Value], layout: Layout) -> dict[str, Value]:
    """Convert a published state dict to our layout.

    Raises:
        ValueError: if tensors are missing or unknown; names the first few.
    """
    if layout == "esrgan_old":
        places = [int(found[1]) for key in state if (found := re.match(r"model\.(\d+)\.", key))]
        ups = max(max(places) - 4, 0) // 3
        blocks = max(int(key.split(".")[3]) for key in state if key.startswith("model.1.sub."))
    else:
        ups = _upsamplings(state)
        trunk = "body." if layout == "basicsr" else "RRDB_trunk."
        blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith(trunk))
    theirs = {key_in_layout(key, layout, blocks, ups): key for key in _names(blocks, ups)}
    missing, extra = theirs.keys() - state.keys(), state.keys() - theirs.keys()
    if missing or extra:
        raise ValueError(
            f"looks like RRDBNet in layout {layout}, but lacks {sorted(missing)[:3]} "
            f"and has unknown {sorted(extra)[:3]}"
        )
    return {ours: state[name] for name, ours in theirs.items()}


def infer_config(state: Mapping[str, Any]) -> RRDBNetConfig:
    """Infer the config of an RRDBNet from our state dict.

    The residual scale and initialization, which shapes do not show, are the paper's.

    Raises:
        ValueError: if no RRDBNet has tensors of these shapes; names the first.
    """
    blocks, ups = _shape(state)
    channels = state["conv_first.weight"].shape[1]
    if channels not in _UNSHUFFLED:
        raise ValueError(f"its first convolution has {channels} channels, not 3, 12 or 48")
    fold = _UNSHUFFLED[channels]
    if 2**ups < fold:
        raise ValueError(
            f"its first convolution has {channels} channels, but it has {ups} upsamplings by two: "
            "its results would be smaller than images"
        )
    common = RRDBNetConfig(
        scale=2**ups // fold,
        num_features=state["conv_first.weight"].shape[0],
        num_blocks=blocks,
        growth_channels=state["body.0.rdb1.conv1.weight"].shape[0],
    )
    config = common if common.fold == fold else replace(common, unshuffle=fold)
    if misfit := find_misfit(state, config):
        raise ValueError(f"{misfit} in an RRDBNet with its first convolutions")
    return config


def find_misfit(state: Mapping[str, Any], config: RRDBNetConfig) -> str:
    """Describe what does not fit the network of `config` in our state dict; empty if all fits."""
    wanted = tensor_shapes(config)
    missing, extra = wanted.keys() - state.keys(), state.keys() - wanted.keys()
    if missing or extra:
        return f"it lacks {sorted(missing)[:3]} and has unknown {sorted(extra)[:3]}"
    for key, shape in wanted.items():
        if (found := tuple(state[key].shape)) != shape:
            return f"{key} is {list(found)}, but {list(shape)}"
    return ""


def tensor_shapes(config: RRDBNetConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of an RRDBNet by their keys."""
    features, growth = config.num_features, config.growth_channels
    convolutions = {"conv_first": (3 * config.fold**2, features)}
    for block in (f"body.{number}" for number in range(config.num_blocks)):
        if config.block == "residual":
            names = (f"{block}.conv1", f"{block}.conv2")
            convolutions |= dict.fromkeys(names, (features, features))
            continue
        for dense in ("rdb1", "rdb2", "rdb3"):
            for number in range(1, 6):
                outputs = growth if number < 5 else features
                inputs = features + (number - 1) * growth
                convolutions[f"{block}.{dense}.conv{number}"] = inputs, outputs
    upsamplings = (f"conv_up{number}" for number in range(1, config.upsamplings + 1))
    convolutions |= dict.fromkeys(["conv_body", *upsamplings, "conv_hr"], (features, features))
    convolutions["conv_last"] = features, 3
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in convolutions.items():
        shapes |= {f"{name}.weight": (outputs, inputs, 3, 3), f"{name}.bias": (outputs,)}
        if config.batch_norm and name.startswith("body."):
            norm = name.replace("conv", "norm")
            kinds = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"{norm}.{kind}": (outputs,) for kind in kinds}
            shapes[f"{norm}.num_batches_tracked"] = ()
    return shapes


def _shape(state: Mapping[str, Any]) -> tuple[int, int]:
    """(number of blocks, number of upsamplings) of our state dict."""
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    return blocks, _upsamplings(state)


def _upsamplings(state: Mapping[str, Any]) -> int:
    return sum(_UPSAMPLING.fullmatch(key) is not None for key in state)


def _names(blocks: int, ups: int) -> list[str]:
    modules = [
        "conv_first",
        *(
            f"body.{block}.rdb{dense}.conv{conv}"
            for block in range(blocks)
            for dense in range(1, 4)
            for conv in range(1, 6)
        ),
        "conv_body",
        *(f"conv_up{number}" for number in range(1, ups + 1)),
        "conv_hr",
        "conv_last",
    ]
    return [f"{module}.{kind}" for module in modules for kind in ("weight", "bias")]
