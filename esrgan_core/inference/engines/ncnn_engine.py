"""RRDBNet by ncnn, on the CPU or on a GPU by Vulkan.

On the CPU its convolutions of 3x3, by Winograd's method, are faster than torch's in fp32. They need
more memory, since all inputs of a convolution are transformed at once.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.inference.engines.ncnn_graph import NcnnGraph, tail_graph, trunk_graph
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.layouts import State

BLOCK_BYTES = 192 * 2**20
TRUNK_COPIES = 15.6
"""Arrays of the size of a dense block's features (measured: 11.7 KiB for an LR pixel of the
published network)."""
TAIL_COPIES = 11.0
"""Arrays of the size of the features at HR (measured: 43 KiB for an LR pixel of the published
network)."""


FULL_PRECISION = dict.fromkeys(
    ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"), False
)


class EngineError(RuntimeError):
    """An engine failed, for lack of memory or since its device is lost."""


def is_installed() -> bool:
    """Whether the extra `ncnn` is installed."""
    return find_spec("ncnn") is not None


def import_ncnn() -> Any:
    """The package, imported when it is needed."""
    import ncnn  # noqa: PLC0415  an extra

    return ncnn


class NcnnEngine(Engine):
    """An RRDBNet in fp32, or in fp16 on a GPU."""

    name = "ncnn"

    def __init__(
        self,
        config: RRDBNetConfig,
        state: State,
        *,
        threads: int = 1,
        gpu: int | None = None,
        half: bool = False,
    ) -> None:
        """Load a network.

        Args:
            config: its shape.
            state: its weights.
            threads: threads on the CPU.
            gpu: index of the Vulkan device, or None for the CPU.
            half: compute in fp16, on a GPU.

        Raises:
            ModuleNotFoundError: if ncnn is not installed.
            EngineError: if the device fails.
        """
        self.scale, self.fold = config.scale, config.fold
        self.trunk_reach, self.tail_reach = config.trunk_reach, 2
        self.threads, self.gpu = threads, gpu
        self.trunk_bytes = 4 * TRUNK_COPIES * config.dense_features / self.fold**2
        self.tail_bytes = 4 * TAIL_COPIES * config.num_features * config.scale**2
        self.block_bytes = BLOCK_BYTES
        options: dict[str, Any] = {"num_threads": threads, "use_vulkan_compute": gpu is not None}
        options |= {} if half else FULL_PRECISION
        self._trunk = _Net(trunk_graph(config, state), options, gpu)
        self._tail = _Net(tail_graph(config, state), options, gpu)

    def trunk(
        self, lr: Pixels, semantic_map: Float[np.ndarray, "k ch cw"] | None = None
    ) -> Float[np.ndarray, "f fh fw"]:
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

    def free_memory(self) -> int | None:
        """Free bytes of the GPU; None on the CPU."""
        if self.gpu is None:
            return None
        return int(import_ncnn().get_gpu_device(self.gpu).get_heap_budget()) * 2**20


class _Net:
    """One graph, loaded by ncnn."""

    def __init__(self, graph: NcnnGraph, options: Mapping[str, Any], gpu: int | None) -> None:
        self.ncnn = import_ncnn()
        self.net = self.ncnn.Net()
        for name, value in options.items():
            setattr(self.net.opt, name, value)
        if gpu is not None:
            self.net.set_vulkan_device(gpu)
        # ncnn does not copy the weights
        self.graph = graph
        if self.net.load_param_mem(graph.text):
            raise EngineError("it cannot read the graph of this network")
        self.net.load_model_mem(graph.weights)

    def __call__(self, values: Float[np.ndarray, "c h w"]) -> Float[np.ndarray, "k hh ww"]:
        # a Mat on an array does not keep it alive, and has not the alignment that GPUs need
        values = np.ascontiguousarray(values)
        given = self.ncnn.Mat(values).clone()
        with self.net.create_extractor() as extractor:
            extractor.input(self.graph.input, given)
            status, result = extractor.extract(self.graph.output)
            if status:
                raise EngineError(f"it reports error {status}, often for lack of memory")
            return np.array(result)
