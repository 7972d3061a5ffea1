"""Key layouts of published RRDBNet checkpoints; BasicSR's is also our own.

| layout | first block's first convolution | where |
|---|---|---|
| `basicsr` | `body.0.rdb1.conv1.weight` | BasicSR from 1.0, Real-ESRGAN |
| `esrgan` | `RRDB_trunk.0.RDB1.conv1.weight` | ESRGAN's test code, Real-ESRGAN x4plus (fp16) |
| `esrgan_old` | `model.1.sub.0.RDB1.conv1.0.weight` | ESRGAN's first release, community models |
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import Tensor

from esrgan_core.models.rrdb import RRDBNetConfig

StateDict = dict[str, Tensor]
Layout = Literal["basicsr", "esrgan", "esrgan_old"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_ESRGAN = {
    "conv_body": "trunk_conv",
    "conv_up1": "upconv1",
    "conv_up2": "upconv2",
    "conv_up3": "upconv3",
    "conv_hr": "HRconv",
}
# N of `model.N`, by number of upsamplings
_OLD = {
    2: {"conv_up1": 3, "conv_up2": 6, "conv_hr": 8, "conv_last": 10},
    3: {"conv_up1": 3, "conv_up2": 6, "conv_up3": 9, "conv_hr": 11, "conv_last": 13},
}
_BLOCK = re.compile(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(weight|bias)")
# keys of other networks, for messages
_OTHER_NETWORKS = (
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


def key_in_layout(key: str, layout: Layout, blocks: int, old_numbers: Mapping[str, int]) -> str:
    """The key in another layout."""
    module, _, kind = key.rpartition(".")
    block = _BLOCK.fullmatch(key)
    match layout:
        case "basicsr":
            return key
        case "esrgan":
            if block:
                return "RRDB_trunk.{}.RDB{}.conv{}.{}".format(*block.groups())
            return f"{_ESRGAN.get(module, module)}.{kind}"
        case "esrgan_old":
            if block:
                return "model.1.sub.{}.RDB{}.conv{}.0.{}".format(*block.groups())
            if module == "conv_first":
                return f"model.0.{kind}"
            if module == "conv_body":
                return f"model.1.sub.{blocks}.{kind}"
            return f"model.{old_numbers[module]}.{kind}"


def to_layout(state: Mapping[str, Tensor], layout: Layout) -> StateDict:
    """Convert our state dict to `layout`.

    Raises:
        ValueError: if the layout lacks the network: only RRDBs without normalization have all
            layouts, and the old layout lacks scales 1 and 2.
    """
    blocks, ups = _shape(state)
    if layout != "basicsr":
        if not all(_BLOCK.fullmatch(key) for key in state if key.startswith("body.")):
            raise ValueError(f"layout {layout} has no plain residual blocks or normalization")
        if layout == "esrgan_old" and state["conv_first.weight"].shape[1] != 3:
            raise ValueError("layout esrgan_old has no scales 1 and 2 by pixel unshuffling")
    return {key_in_layout(key, layout, blocks, _OLD[ups]): value for key, value in state.items()}


def from_layout(state: Mapping[str, Tensor], layout: Layout) -> StateDict:
    """Convert a published state dict to our layout, in float32.

    Raises:
        ValueError: if tensors are missing or unknown; names the first few.
    """
    if layout == "esrgan_old":
        ups = 3 if "model.13.weight" in state else 2
        blocks = max(int(key.split(".")[3]) for key in state if key.startswith("model.1.sub."))
    else:
        ups = 3 if {"conv_up3.weight", "upconv3.weight"} & state.keys() else 2
        trunk = "body." if layout == "basicsr" else "RRDB_trunk."
        blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith(trunk))
    wanted = _names(blocks, ups)
    theirs = {key_in_layout(key, layout, blocks, _OLD[ups]): key for key in wanted}
    missing, extra = theirs.keys() - state.keys(), state.keys() - theirs.keys()
    if missing or extra:
        raise ValueError(
            f"looks like RRDBNet in layout {layout}, but lacks {sorted(missing)[:3]} "
            f"and has unknown {sorted(extra)[:3]}"
        )
    return {ours: state[name].float() for name, ours in theirs.items()}


def infer_config(state: Mapping[str, Tensor]) -> RRDBNetConfig:
    """Infer the config of an RRDBNet from our state dict.

    The residual scale and initialization, which shapes do not show, are the paper's.

    Raises:
        ValueError: if no scale has the first convolution's number of channels.
    """
    blocks, ups = _shape(state)
    channels = state["conv_first.weight"].shape[1]
    scales = {(3, 2): 4, (3, 3): 8, (12, 2): 2, (48, 2): 1}
    if (channels, ups) not in scales:
        raise ValueError(f"its first convolution has {channels} channels, not 3, 12 or 48")
    return RRDBNetConfig(
        scale=scales[channels, ups],
        num_features=state["conv_first.weight"].shape[0],
        num_blocks=blocks,
        growth_channels=state["body.0.rdb1.conv1.weight"].shape[0],
    )


def _shape(state: Mapping[str, Any]) -> tuple[int, int]:
    """(number of blocks, number of upsamplings) of our state dict."""
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    return blocks, 3 if "conv_up3.weight" in state else 2


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
