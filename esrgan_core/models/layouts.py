"""Key layouts under which RRDBNet checkpoints were published, and our own, which is BasicSR's.

| layout | first block's first convolution | where |
|---|---|---|
| `basicsr` | `body.0.rdb1.conv1.weight` | BasicSR from 1.0, Real-ESRGAN |
| `esrgan` | `RRDB_trunk.0.RDB1.conv1.weight` | ESRGAN's test code, Real-ESRGAN x4plus (fp16) |
| `esrgan_old` | `model.1.sub.0.RDB1.conv1.0.weight` | ESRGAN's first release, community models |
"""

import re
from collections.abc import Iterable, Mapping
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
# numbers in `model.N`: an upsampling is three modules long, and the last two follow
_OLD = {
    2: {"conv_up1": 3, "conv_up2": 6, "conv_hr": 8, "conv_last": 10},
    3: {"conv_up1": 3, "conv_up2": 6, "conv_up3": 9, "conv_hr": 11, "conv_last": 13},
}
_BLOCK = re.compile(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(weight|bias)")
# what other files that people try look like
_STRANGERS = (
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


def _numbers_of_old(state: Iterable[str]) -> dict[str, int]:
    ups = 3 if any(key.startswith("model.13.") for key in state) else 2
    return _OLD[ups]


def detect_layout(state: Mapping[str, Any]) -> Layout | None:
    """Which layout a state dict's keys have, None if it is no RRDBNet's."""
    if "body.0.rdb1.conv1.weight" in state:
        return "basicsr"
    if "RRDB_trunk.0.RDB1.conv1.weight" in state:
        return "esrgan"
    return "esrgan_old" if "model.1.sub.0.RDB1.conv1.0.weight" in state else None


def describe_network(state: Mapping[str, Any]) -> str:
    """What a state dict that is no RRDBNet's looks like, for an error message."""
    for pattern, name in _STRANGERS:
        if any(re.search(pattern, key) for key in state):
            return name
    return f"an unknown network (first keys: {', '.join(list(state)[:3])})"


def key_in_layout(key: str, layout: Layout, blocks: int, old_numbers: Mapping[str, int]) -> str:
    """Our name of a tensor in another layout's words."""
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
    """Our state dict under the names of `layout`.

    Raises:
        ValueError: if the network cannot be said in it: only RRDBs without normalisation can,
            and the old layout knows no scales 1 and 2.
    """
    blocks, ups = _shape(state)
    if layout != "basicsr":
        if not all(_BLOCK.fullmatch(key) for key in state if key.startswith("body.")):
            raise ValueError(f"layout {layout} has no plain residual blocks or normalisation")
        if layout == "esrgan_old" and state["conv_first.weight"].shape[1] != 3:
            raise ValueError("layout esrgan_old has no scales 1 and 2 by pixel unshuffling")
    return {key_in_layout(key, layout, blocks, _OLD[ups]): value for key, value in state.items()}


def from_layout(state: Mapping[str, Tensor], layout: Layout) -> StateDict:
    """A published state dict under our names, in float32.

    Raises:
        ValueError: if tensors are missing or left over; names the first few.
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
            f"and has {sorted(extra)[:3]} too many"
        )
    return {ours: state[name].float() for name, ours in theirs.items()}


def infer_config(state: Mapping[str, Tensor]) -> RRDBNetConfig:
    """The shape of an RRDBNet from its tensors, under our names.

    What leaves no trace in the shapes, residual scale and initialisation, is the paper's.

    Raises:
        ValueError: if the first convolution takes a number of channels that no scale has.
    """
    blocks, ups = _shape(state)
    channels = state["conv_first.weight"].shape[1]
    scales = {(3, 2): 4, (3, 3): 8, (12, 2): 2, (48, 2): 1}
    if (channels, ups) not in scales:
        raise ValueError(f"its first convolution takes {channels} channels; 3, 12 or 48 are known")
    return RRDBNetConfig(
        scale=scales[channels, ups],
        num_features=state["conv_first.weight"].shape[0],
        num_blocks=blocks,
        growth_channels=state["body.0.rdb1.conv1.weight"].shape[0],
    )


def _shape(state: Mapping[str, Any]) -> tuple[int, int]:
    """(blocks, doublings of the size) of a state dict under our names."""
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    return blocks, 3 if "conv_up3.weight" in state else 2


def _names(blocks: int, ups: int) -> list[str]:
    """Our names of all tensors of an RRDBNet."""
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
