"""Export of a generator to ONNX with dynamic sizes, compared with the original."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from esrgan_core.files import atomic_path
from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet

OPSET = 18
SIZES = ((32, 32), (48, 33), (17, 29))
"""(height, width) to compare at."""
MAX_DIFFERENCE = 1e-4
"""As a fraction of white."""
TRACED = (24, 20)


class ParityError(ValueError):
    """The exported network computes something else."""


def export_onnx(
    network: Generator, path: Path, on_size: Callable[[tuple[int, int], float], None]
) -> None:
    """Write `network` as ONNX with dynamic batch, height and width, if it agrees at all `SIZES`.

    Args:
        network: in eval mode, in fp32.
        path: a `.onnx` file; input `lr` and output `sr`, float `b 3 h w` in [0, 1].
        on_size: called with each size and the largest difference there.

    Raises:
        ParityError: if ONNX Runtime's result differs; nothing is written then.
        ValueError: if the network has other inputs.
    """
    if isinstance(network, SFTNet):
        raise ValueError("SFTNet needs a semantic map; it cannot be exported")
    example = torch.rand(1, 3, *TRACED)
    dynamic = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    with atomic_path(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                network,
                (example,),
                temporary,
                input_names=["lr"],
                output_names=["sr"],
                dynamic_shapes=(dynamic,),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        _check_parity(network, temporary, on_size)


def _check_parity(
    network: Generator, path: Path, on_size: Callable[[tuple[int, int], float], None]
) -> None:
    from onnxruntime import InferenceSession  # noqa: PLC0415  an extra, slow to import

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for size in SIZES:
        lr = random.random((1, 3, *size), dtype=np.float32)
        (found,) = session.run(["sr"], {"lr": lr})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(lr)).numpy()
        difference = float(np.abs(found - wanted).max())
        on_size(size, difference)
        if found.shape != wanted.shape or not difference <= MAX_DIFFERENCE:
            raise ParityError(
                f"at {size[1]}x{size[0]} pixels the exported network differs by {difference:.2e}, "
                f"more than {MAX_DIFFERENCE:g}; nothing was written"
            )
