"""An RRDBNet as graphs of ncnn, written in memory: a text of layers and the bytes of their weights.

There is one graph for the trunk and one for the tail (see `esrgan_core.inference.tiling`). Scales
of residuals and batch normalization are multiplied into the weights before them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.layouts import State

MAGIC = "7767517"
"""The first line of ncnn's text format."""
SLOPE = 0.2
"""Of the leaky ReLU."""
BATCH_NORM_EPSILON = 1e-5

Weight = Float[np.ndarray, "k c 3 3"]


class NcnnGraph(NamedTuple):
    """A network of one input and one output, as ncnn loads it."""

    text: str
    weights: bytes
    input: str
    output: str


class _Layer(NamedTuple):
    kind: str
    inputs: Sequence[str]
    output: str
    parameters: str


@dataclass
class _Builder:
    """Layers and weights in the order in which ncnn reads them."""

    layers: list[_Layer] = field(default_factory=list)
    weights: list[bytes] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, parameters: str = "") -> str:
        """Add a layer; return the name of its output."""
        output = f"blob{len(self.layers)}"
        self.layers.append(_Layer(kind, inputs, output, parameters))
        return output

    def conv(self, x: str, weight: Weight, bias: np.ndarray, *, relu: bool = False) -> str:
        """A convolution of 3x3 with a padding of 1, and a leaky ReLU if `relu`."""
        outputs, size = weight.shape[0], weight.size
        activation = f" 9=2 -23310=1,{SLOPE}" if relu else ""
        # weights follow a tag of 0 for float32; the bias has none
        self.weights += [bytes(4), *(array.astype("<f4").tobytes() for array in (weight, bias))]
        return self.add(
            "Convolution", x, parameters=f"0={outputs} 1=3 4=1 5=1 6={size}{activation}"
        )

    def finish(self, output: str) -> NcnnGraph:
        """The graph; where several layers read an output, ncnn needs a layer that splits it."""
        readers = Counter(name for layer in self.layers for name in layer.inputs)
        taken: Counter[str] = Counter()
        lines, blobs = [], 0
        for number, layer in enumerate(self.layers):
            inputs = []
            for name in layer.inputs:
                inputs.append(f"{name}_{taken[name]}" if readers[name] > 1 else name)
                taken[name] += 1
            lines.append(_line(layer.kind, number, inputs, [layer.output], layer.parameters))
            blobs += 1
            if (count := readers[layer.output]) > 1:
                copies = [f"{layer.output}_{index}" for index in range(count)]
                lines.append(_line("Split", number, [layer.output], copies))
                blobs += count
        text = "\n".join([MAGIC, f"{len(lines)} {blobs}", *lines, ""])
        return NcnnGraph(text, b"".join(self.weights), self.layers[0].output, output)


def _line(
    kind: str, number: int, inputs: Sequence[str], outputs: Sequence[str], parameters: str = ""
) -> str:
    counts = f"{len(inputs)} {len(outputs)}"
    return " ".join(filter(None, [kind, f"{kind}{number}", counts, *inputs, *outputs, parameters]))


def trunk_graph(config: RRDBNetConfig, state: State) -> NcnnGraph:
    """From folded LR pixels to features."""
    graph = _Builder()
    first = graph.conv(graph.add("Input"), *_conv(state, "conv_first"))
    features = first
    for number in range(config.num_blocks):
        block = f"body.{number}"
        if config.block == "residual":
            features = _residual_block(graph, config, state, block, features)
            continue
        inner = features
        for name in ("rdb1", "rdb2", "rdb3"):
            inner = _dense_block(graph, config, state, f"{block}.{name}", inner)
        scale = config.residual_scale
        features = graph.add("Eltwise", features, inner, parameters=f"0=1 -23301=2,1.0,{scale}")
    body = graph.conv(features, *_conv(state, "conv_body"))
    return graph.finish(graph.add("BinaryOp", first, body, parameters="0=0"))


def tail_graph(config: RRDBNetConfig, state: State) -> NcnnGraph:
    """From features to SR pixels."""
    graph = _Builder()
    features = graph.add("Input")
    for number in range(1, config.upsamplings + 1):
        wide = graph.add("Interp", features, parameters="0=1 1=2.0 2=2.0")
        features = graph.conv(wide, *_conv(state, f"conv_up{number}"), relu=True)
    features = graph.conv(features, *_conv(state, "conv_hr"), relu=True)
    return graph.finish(graph.conv(features, *_conv(state, "conv_last")))


def _residual_block(
    graph: _Builder, config: RRDBNetConfig, state: State, block: str, x: str
) -> str:
    inner = graph.conv(x, *_normalized(config, state, block, 1), relu=True)
    inner = graph.conv(inner, *_scaled(config, *_normalized(config, state, block, 2)))
    return graph.add("BinaryOp", x, inner, parameters="0=0")


def _dense_block(graph: _Builder, config: RRDBNetConfig, state: State, block: str, x: str) -> str:
    features = x
    for number in range(1, 5):
        inner = graph.conv(features, *_normalized(config, state, block, number), relu=True)
        features = graph.add("Concat", features, inner, parameters="0=0")
    inner = graph.conv(features, *_scaled(config, *_normalized(config, state, block, 5)))
    return graph.add("BinaryOp", x, inner, parameters="0=0")


def _conv(state: State, name: str) -> tuple[Weight, np.ndarray]:
    return state[f"{name}.weight"], state[f"{name}.bias"]


def _scaled(config: RRDBNetConfig, weight: Weight, bias: np.ndarray) -> tuple[Weight, np.ndarray]:
    return weight * config.residual_scale, bias * config.residual_scale


def _normalized(
    config: RRDBNetConfig, state: State, block: str, number: int
) -> tuple[Weight, np.ndarray]:
    """A convolution with the batch normalization after it, by its running statistics."""
    weight, bias = _conv(state, f"{block}.conv{number}")
    if not config.batch_norm:
        return weight, bias
    norm = f"{block}.norm{number}"
    variance = state[f"{norm}.running_var"].astype(np.float64) + BATCH_NORM_EPSILON
    factor = state[f"{norm}.weight"] / np.sqrt(variance)
    shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * factor
    return weight * factor[:, None, None, None], bias * factor + shift
