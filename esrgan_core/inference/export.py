"""Export of a generator to ONNX with dynamic sizes, compared with the original."""

import logging
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from esrgan_core.files import atomic_path
from esrgan_core.models.build import Generator
from esrgan_core.models.sft import SFTNet

OPSET = 18
SIZES = ((32, 32), (48, 33), (17, 29))
"""(height, width) to compare at."""
MAX_DIFFERENCE = 1e-4
"""As a fraction of white."""
MAX_DIFFERENCE_FP16 = 1 / 255
"""Likewise, of weights in fp16; the published x4plus network differs by a quarter of that."""
TRACED = (24, 20)


class ParityError(ValueError):
    """The exported network computes something else."""


class _InHalf(nn.Module):
    """A copy of a network with weights in fp16; its images stay in fp32."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = deepcopy(network).half()

    def forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.network(lr).float()
        return sr


def export_onnx(
    network: Generator,
    path: Path,
    on_size: Callable[[tuple[int, int], float], None],
    *,
    fp16: bool = False,
) -> None:
    """Write `network` as ONNX for any batch, height and width, if it agrees at all `SIZES`.

    Args:
        network: in eval mode, in fp32.
        path: a `.onnx` file; input `lr` and output `sr`, float `b 3 h w` in [0, 1].
        on_size: called with each size and the largest difference there.
        fp16: store weights in fp16, and compute in it; input and output stay float32.

    Raises:
        ParityError: if ONNX Runtime's result differs; nothing is written then.
        ValueError: if the network has other inputs.
    """
    if isinstance(network, SFTNet):
        raise ValueError("SFTNet needs a semantic map; it cannot be exported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _InHalf(network) if fp16 else network,
            (torch.rand(1, 3, *TRACED),),
            input_names=["lr"],
            output_names=["sr"],
            dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # the old exporter returns none
    from onnx_ir import Shape  # noqa: PLC0415  an extra, as torch's exporter

    # cropping what unshuffling padded makes long expressions of the sizes
    factor = network.config.scale
    sides = [f"{factor}*{side}" if factor > 1 else side for side in ("height", "width")]
    program.model.graph.outputs[0].shape = Shape(["batch", 3, *sides])
    limit = MAX_DIFFERENCE_FP16 if fp16 else MAX_DIFFERENCE
    with atomic_path(path) as temporary:
        program.save(temporary)
        _check_parity(network, temporary, limit, on_size)


def _check_parity(
    network: Generator, path: Path, limit: float, on_size: Callable[[tuple[int, int], float], None]
) -> None:
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415  an extra, slow

    options = SessionOptions()
    options.log_severity_level = 3  # else it warns of operations without fp16 on this processor
    session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for size in SIZES:
        lr = random.random((1, 3, *size), dtype=np.float32)
        (found,) = session.run(["sr"], {"lr": lr})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(lr)).numpy()
        difference = float(np.abs(found - wanted).max())
        on_size(size, difference)
        if found.shape != wanted.shape or not difference <= limit:
            raise ParityError(
                f"at {size[1]}x{size[0]} pixels the exported network differs by {difference:.2e}, "
                f"more than {limit:.1g}; nothing was written"
            )
