"""RRDBNet by ncnn, whose convolutions of 3x3 by Winograd's method are faster than torch's in fp32.

Its memory is larger, since it transforms all inputs of a convolution at once.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.ncnn_graph import NcnnGraph, State, tail_graph, trunk_graph
from esrgan_core.models.rrdb import RRDBNetConfig

BLOCK_BYTES = 96 * 2**20
WINOGRAD = 15.6
"""Copies of a dense block's features that a convolution needs (measured: 11.7 KiB for an LR pixel
of the published network)."""


def is_installed() -> bool:
    """Whether the extra `ncnn` is installed."""
    return find_spec("ncnn") is not None


class NcnnEngine(Engine):
    """An RRDBNet in fp32, on the CPU."""

    name = "ncnn"

    def __init__(self, config: RRDBNetConfig, state: State, *, threads: int) -> None:
        """Load the network's weights, which are in float32 under our keys.

        Raises:
            ModuleNotFoundError: if ncnn is not installed.
        """
        self.scale, self.fold = config.scale, config.fold
        self.trunk_reach, self.tail_reach = config.trunk_reach, 2
        self.trunk_bytes = 4 * WINOGRAD * config.dense_features / self.fold**2
        self.tail_bytes = 4 * 6.0 * config.num_features * config.scale**2
        self.block_bytes = BLOCK_BYTES
        self._trunk = _Net(trunk_graph(config, state), threads)
        self._tail = _Net(tail_graph(config, state), threads)

    def trunk(self, lr: Pixels, semantic_map: None = None) -> Float[np.ndarray, "f fh fw"]:
        """Features of pixels in [0, 1]."""
        del semantic_map  # RRDBNet has none
        if self.fold == 1:
            return self._trunk(lr)
        _, height, width = lr.shape
        padding = ((0, 0), (0, -height % self.fold), (0, -width % self.fold))
        lr = np.pad(lr, padding, mode="edge")
        _, height, width = lr.shape
        rows, columns = height // self.fold, width // self.fold
        folded = lr.reshape(3, rows, self.fold, columns, self.fold).transpose(0, 2, 4, 1, 3)
        return self._trunk(folded.reshape(-1, rows, columns))

    def tail(self, features: Float[np.ndarray, "f fh fw"]) -> Pixels:
        """SR pixels of some of the features, not clipped."""
        return self._tail(features)


class _Net:
    """One graph, loaded by ncnn."""

    def __init__(self, graph: NcnnGraph, threads: int) -> None:
        import ncnn  # noqa: PLC0415  an extra

        self.ncnn: Any = ncnn
        self.net: Any = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(options, f"use_{name}", False)
        # ncnn does not copy the weights
        self.graph = graph
        if self.net.load_param_mem(graph.text):
            raise ValueError("ncnn cannot read the graph of this network")
        self.net.load_model_mem(graph.weights)

    def __call__(self, values: Float[np.ndarray, "c h w"]) -> Float[np.ndarray, "k hh ww"]:
        # ncnn does not copy the input either: this name keeps it
        values = np.ascontiguousarray(values)
        with self.net.create_extractor() as extractor:
            extractor.input(self.graph.input, self.ncnn.Mat(values))
            status, result = extractor.extract(self.graph.output)
            if status:
                raise MemoryError("ncnn cannot allocate memory for this image")
            return np.array(result)
